"""Sends an alert to a channel: signed webhook, Slack-compatible webhook, or e-mail.

Webhooks are signed as the Standard Webhooks specification (1.0) says: HMAC-SHA256 over "id.timestamp.body".
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import ssl
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Final

from app.adapters.alert_formats import slack_body, webhook_body
from app.adapters.mail import Mailer, check_address, compose
from app.adapters.outbound import DEADLINE_S, Answer, Outbound, Resolve, system_resolve
from app.core.addresses import Policy, parse_ports
from app.core.alert_content import Alert
from app.core.alerts import Channel, ChannelKind
from app.core.errors import DeliveryError, InvalidInput
from app.settings import Settings

LONGEST_S: Final = 30.0
"""How long a channel may take for a message in all, in seconds."""

_PREFIX: Final = "whsec_"
_TRY_AGAIN: Final = frozenset({408, 425, 429})


def signature_key(secret: str) -> bytes:
    """The key of a secret: the bytes behind "whsec_" in base64, or else the text itself in UTF-8.

    Raises InvalidInput (field "secret") when what follows "whsec_" is no base64.
    """
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except ValueError:
        raise InvalidInput("what follows whsec_ in the secret is no base64", field="secret") from None


def signed_headers(id_: str, secret: str, body: bytes, now: datetime) -> dict[str, str]:
    """The headers `webhook-id`, `webhook-timestamp` (seconds since 1970) and `webhook-signature`."""
    timestamp = str(int(now.timestamp()))
    signed = b".".join([id_.encode(), timestamp.encode(), body])
    digest = base64.b64encode(hmac.new(signature_key(secret), signed, hashlib.sha256).digest()).decode()
    return {"webhook-id": id_, "webhook-timestamp": timestamp, "webhook-signature": f"v1,{digest}"}


class Senders:
    """All kinds of channels. Threads of its own: a receiver that hangs keeps nobody else waiting."""

    def __init__(
        self,
        settings: Settings,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        resolve: Resolve = system_resolve,
        tls: ssl.SSLContext | None = None,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        """Raises ConfigError for a list of ports that is none. `tls` stands in for the certificates of the machine."""
        policy = Policy(parse_ports(settings.alert_ports), settings.alert_private_networks)
        self._settings = settings
        self._now = now
        self._threads = ThreadPoolExecutor(8, thread_name_prefix="alerts")
        self._outbound = Outbound(policy, self._threads, resolve=resolve, tls=tls, deadline_s=deadline_s)
        self._mailer = Mailer(settings, tls)

    async def check(self, kind: ChannelKind, target: str) -> None:
        """Raises InvalidInput (field "target") for what can't be sent to; a name that nobody knows yet may be."""
        if kind is ChannelKind.EMAIL:
            check_address(target)
            return
        try:
            await self._outbound.check(target)
        except DeliveryError as error:
            if error.final:
                raise InvalidInput(str(error), field="target") from error

    async def send(self, channel: Channel, alert: Alert) -> None:
        """Send an alert. Raises DeliveryError, which says whether to try again."""
        try:
            async with asyncio.timeout(LONGEST_S):
                await self._send(channel, alert)
        except TimeoutError:
            raise DeliveryError(f"not delivered within {LONGEST_S:g} s") from None
        except InvalidInput as error:
            raise DeliveryError(str(error), final=True) from error

    async def _send(self, channel: Channel, alert: Alert) -> None:
        match channel.kind:
            case ChannelKind.WEBHOOK:
                body = webhook_body(alert, self._now())
                headers = signed_headers(alert.id, channel.secret or "", body, self._now())
                await self._post(channel.target, body, headers)
            case ChannelKind.SLACK:
                await self._post(channel.target, slack_body(alert, self._settings.public_url), {})
            case ChannelKind.EMAIL:
                mail = compose(alert, self._settings.smtp_from, channel.target, self._settings.public_url, self._now())
                await asyncio.get_running_loop().run_in_executor(self._threads, self._mailer.send, mail)

    async def _post(self, url: str, body: bytes, headers: Mapping[str, str]) -> None:
        said = {"Content-Type": "application/json", "User-Agent": "EventPulse"}
        answer = await self._outbound.post(url, body, {**said, **headers})
        if not 200 <= answer.status < 300:
            raise _refusal(answer)

    def close(self) -> None:
        """Let go of the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _refusal(answer: Answer) -> DeliveryError:
    if 300 <= answer.status < 400:
        return DeliveryError(f"HTTP {answer.status}: redirects are not followed; give the final URL", final=True)
    again = answer.status in _TRY_AGAIN or answer.status >= 500
    return DeliveryError(f"HTTP {answer.status}", final=not again, retry_after=answer.retry_after)

"""What leaves this machine, to whom, and what becomes of it. Real sockets, on the loopback interface alone."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import pytest
import trustme

from app.adapters.alert_senders import Senders, signature_key, signed_headers
from app.adapters.ports import free_port
from app.core.alert_content import Alert
from app.core.alerts import Channel, ChannelKind
from app.core.errors import DeliveryError, InvalidInput
from app.settings import Settings
from tests.fakes.alerts import SECRET, channel, entry
from tests.fakes.clock import START, Clock
from tests.fakes.receivers import http_receiver, mail_server
from tests.fakes.urls import HOSTILE_NAMES, HOSTILE_URLS

ALERT = Alert("msg_1", (entry(),))
OPEN = Settings(alert_private_networks=True, _env_file=None)


def no_names(host: str, port: int) -> list[str]:
    raise AssertionError(f"{host} is looked up")


def loopback(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


def send(
    target: str,
    *,
    settings: Settings = OPEN,
    kind: ChannelKind = ChannelKind.WEBHOOK,
    alert: Alert = ALERT,
    **more: Any,
) -> None:
    """Send an alert; `more` are arguments of Senders."""
    senders = Senders(settings, now=Clock(), **({"resolve": no_names} | more))
    to = channel(kind=kind, target=target, secret=SECRET if kind is ChannelKind.WEBHOOK else None)
    try:
        asyncio.run(senders.send(to, alert))
    finally:
        senders.close()


def refused(target: str, **more: Any) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        send(target, **more)
    return caught.value


# What arrives


def test_a_webhook_arrives_signed() -> None:
    with http_receiver() as receiver:
        send(f"{receiver.url}?key=a%20b")
    (request,) = receiver.requests
    assert request.path == "/hook?key=a%20b"
    assert request.headers["content-type"] == "application/json"
    assert json.loads(request.body)["incidents"][0]["number"] == 1
    assert request.headers["webhook-id"] == "msg_1"
    assert request.headers["webhook-timestamp"] == str(int(START.timestamp()))
    signed = f"msg_1.{int(START.timestamp())}.".encode() + request.body
    expected = base64.b64encode(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()).decode()
    assert request.headers["webhook-signature"] == f"v1,{expected}"


def test_the_signature_is_that_of_the_specification() -> None:
    """The example of the Standard Webhooks specification and its libraries."""
    headers = signed_headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        b'{"test": 2432232314}',
        START.fromtimestamp(1614265330, START.tzinfo),
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("secret", ["whsec_not base64 at all!", "whsec_schlüssel"])
def test_a_secret_that_claims_to_be_base64_must_be(secret: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        signature_key(secret)
    assert caught.value.field == "secret"


def test_slack_gets_blocks_and_no_signature() -> None:
    with http_receiver() as receiver:
        send(receiver.url, kind=ChannelKind.SLACK)
    (request,) = receiver.requests
    assert json.loads(request.body)["blocks"]
    assert "webhook-signature" not in request.headers


def test_a_mail_goes_to_the_address_of_the_channel() -> None:
    with mail_server() as mailbox:
        settings = Settings(smtp_host="127.0.0.1", smtp_port=mailbox.port, smtp_security="none", _env_file=None)
        send("press@example.org", settings=settings, kind=ChannelKind.EMAIL)
    assert mailbox.receivers == ["press@example.org"]


def test_a_webhook_over_tls_names_its_host_and_checks_the_certificate_for_it() -> None:
    authority, server, client = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("hooks.example.org").configure_cert(server)
    names: list[str | None] = []
    server.sni_callback = lambda _socket, name, _context: names.append(name)
    authority.configure_trust(client)
    with http_receiver(server) as receiver:
        send(f"https://hooks.example.org:{receiver.port}/hook", tls=client, resolve=loopback)
        wrong = refused(f"https://other.example.org:{receiver.port}/hook", tls=client, resolve=loopback)
        unknown = refused(f"https://hooks.example.org:{receiver.port}/hook", resolve=loopback)
    assert len(receiver.requests) == 1
    assert receiver.requests[0].headers["host"] == f"hooks.example.org:{receiver.port}"
    assert names[0] == "hooks.example.org"
    for error in (wrong, unknown):
        assert "certificate" in str(error)
        assert not error.final


# What is answered


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_delivered(status: int) -> None:
    with http_receiver() as receiver:
        receiver.answers.append((status, {}))
        send(receiver.url)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 413, 422, 451])
def test_a_refusal_is_final(status: int) -> None:
    with http_receiver() as receiver:
        receiver.answers.append((status, {}))
        error = refused(receiver.url)
    assert (str(error), error.final) == (f"HTTP {status}", True)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_trouble_is_not_final(status: int) -> None:
    with http_receiver() as receiver:
        receiver.answers.append((status, {"Retry-After": "17"}))
        error = refused(receiver.url)
    assert (str(error), error.final, error.retry_after) == (f"HTTP {status}", False, 17.0)


@pytest.mark.parametrize("value", ["", "soon", "-5", "Wed, 21 Oct 2026 07:28:00 GMT", "9" * 40, "١٧"])
def test_a_wild_retry_after_is_none(value: str) -> None:
    with http_receiver() as receiver:
        receiver.answers.append((503, {"Retry-After": value.encode().decode("latin-1")}))
        assert refused(receiver.url).retry_after == 0


def test_a_receiver_that_is_not_there_is_tried_again_and_its_key_is_not_told() -> None:
    error = refused(f"http://127.0.0.1:{free_port()}/hook?key=hidden")
    assert not error.final
    assert "127.0.0.1 can't be reached" in str(error)
    assert "hidden" not in str(error)


def test_a_name_that_nobody_knows_is_tried_again() -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror(-2, "Name or service not known")

    error = refused("https://hooks.example.org/", resolve=unknown)
    assert (str(error), error.final) == ("the name hooks.example.org can't be resolved", False)


@contextmanager
def dripping(piece: bytes) -> Iterator[int]:
    """A server that answers a byte now and then, for ever."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(0.05)
                while True:
                    try:
                        connection.sendall(piece)
                        if not connection.recv(65_536):
                            return
                    except TimeoutError:
                        continue
                    except OSError:
                        return

        thread = Thread(target=drip)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


@pytest.mark.parametrize("piece", [b"", b"H", b"HTTP/1.1 200 OK\r\nX-A: b\r\n"])
def test_a_receiver_that_drips_is_left_at_the_deadline(piece: bytes) -> None:
    with dripping(piece) as port:
        error = refused(f"http://127.0.0.1:{port}/", deadline_s=0.3)
    assert not error.final


# Where nothing must go


class Canary:
    """Counts whatever connects to it, and every attempt to connect to anything."""

    def __init__(self) -> None:
        self.listeners = [socket.create_server(("127.0.0.1", 0))]
        self.port = self.listeners[0].getsockname()[1]
        if socket.has_ipv6:
            self.listeners.append(socket.create_server(("::1", self.port), family=socket.AF_INET6))
        self.attempts: list[object] = []

    def reached(self) -> int:
        count = 0
        for listener in self.listeners:
            listener.setblocking(False)
            while True:
                try:
                    listener.accept()[0].close()
                except BlockingIOError:
                    break
                count += 1
        return count

    def close(self) -> None:
        for listener in self.listeners:
            listener.close()


@pytest.fixture
def canary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Canary]:
    made = Canary()
    connect = socket.socket.connect

    def watched(self: socket.socket, address: Any) -> None:
        made.attempts.append(address)
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", watched)
    yield made
    made.close()


def at_port(url: str, port: int) -> str:
    """The URL with another port, where it has a host to put it behind."""
    return re.sub(r"^(http://(?:\[[^]]*\]|[^\[\]/?#\\@\s:]+))(?::\d+)?(?=[/\\#]|$)", rf"\g<1>:{port}", url)


def test_no_url_of_the_corpus_leads_to_a_connection(canary: Canary) -> None:
    settings = Settings(alert_ports=f"80,443,{canary.port}", _env_file=None)

    def resolve(host: str, port: int) -> list[str]:
        return [HOSTILE_NAMES.get(host, "127.0.0.1")]  # whatever else would be looked up leads to the canary

    urls = [*HOSTILE_URLS, *(f"http://{name}/" for name in HOSTILE_NAMES)]
    tried = list(dict.fromkeys([*urls, *(at_port(url, canary.port) for url in urls)]))
    senders = Senders(settings, resolve=resolve)

    async def send_all() -> None:
        for url in tried:
            for kind in (ChannelKind.WEBHOOK, ChannelKind.SLACK):
                with pytest.raises(DeliveryError) as caught:
                    await senders.send(channel(kind=kind, target=url), ALERT)
                assert caught.value.final, url

    asyncio.run(send_all())
    senders.close()
    assert len(tried) >= 120
    assert (canary.attempts, canary.reached()) == ([], 0)


def test_the_canary_sings(canary: Canary) -> None:
    """Opened up, the same check lets the same kind of URL through: the corpus is refused for its addresses."""
    refused(f"http://127.0.0.1:{canary.port}/", deadline_s=0.2)
    refused(f"http://[::1]:{canary.port}/", deadline_s=0.2)
    refused(f"http://localtest.me:{canary.port}/", deadline_s=0.2, resolve=loopback)
    assert len(canary.attempts) == 3
    assert canary.reached() == 3


def test_a_redirect_is_not_followed(canary: Canary) -> None:
    with http_receiver() as receiver:
        for status in (301, 302, 303, 307, 308):
            receiver.answers.append((status, {"Location": f"http://127.0.0.1:{canary.port}/"}))
            error = refused(receiver.url)
            assert error.final
            assert "redirects are not followed" in str(error)
        assert len(receiver.requests) == 5
    assert canary.reached() == 0


def test_a_name_that_changes_its_mind_is_judged_anew_when_it_is_sent_to(canary: Canary) -> None:
    answers = [["1.1.1.1"], ["127.0.0.1"]]
    settings = Settings(alert_ports=f"80,443,{canary.port}", _env_file=None)
    senders = Senders(settings, resolve=lambda host, port: answers.pop(0))
    url = f"http://rebinding.example.org:{canary.port}/"
    asyncio.run(senders.check(ChannelKind.WEBHOOK, url))
    with pytest.raises(DeliveryError, match="private network"):
        asyncio.run(senders.send(channel(target=url), ALERT))
    senders.close()
    assert (canary.attempts, canary.reached()) == ([], 0)


def test_the_connection_goes_to_the_address_that_was_judged_and_to_no_later_one(canary: Canary) -> None:
    looked_up: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        looked_up.append(host)
        return ["127.0.0.1"] if len(looked_up) == 1 else ["::1"]

    with http_receiver() as receiver:
        send(f"http://hooks.example.org:{receiver.port}/hook", resolve=resolve)
        assert len(receiver.requests) == 1
    assert looked_up == ["hooks.example.org"]
    assert canary.attempts == [("127.0.0.1", receiver.port)]


def test_one_private_address_among_public_ones_is_enough_to_refuse(canary: Canary) -> None:
    error = refused(
        "http://mixed.example.org/",
        settings=Settings(_env_file=None),
        resolve=lambda host, port: ["1.1.1.1", "::ffff:10.0.0.1"],
    )
    assert error.final
    assert canary.attempts == []


def test_no_proxy_of_the_environment_is_asked(canary: Canary, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{canary.port}")
    with http_receiver() as receiver:
        send(receiver.url)
        assert len(receiver.requests) == 1
    assert canary.reached() == 0


def test_a_channel_that_was_let_in_before_the_rules_changed_is_refused_for_good() -> None:
    to: Channel = channel(target="http://10.0.0.1/")
    senders = Senders(Settings(_env_file=None), resolve=no_names)
    with pytest.raises(DeliveryError) as caught:
        asyncio.run(senders.send(to, ALERT))
    senders.close()
    assert caught.value.final

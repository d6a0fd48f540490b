"""Alerts by e-mail: the message with its two parts, and the mail server that takes it."""

from __future__ import annotations

import re
import smtplib
import ssl
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from html import escape
from typing import Final

from app.adapters.alert_formats import evidence_lines
from app.core.alert_content import SHOWN, Alert, Entry, quote
from app.core.errors import DeliveryError, InvalidInput
from app.settings import Settings

TIMEOUT_S: Final = 10.0
"""The longest silence of the mail server, in seconds."""

# Stricter than the standards: no quoting, no comments, ASCII only, so that no reader of it can see a second address.
_ADDRESS: Final = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
    r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*"
)


def check_address(address: str) -> None:
    """Raises InvalidInput (field "target") for what is not exactly one plain e-mail address."""
    if len(address) > 254 or _ADDRESS.fullmatch(address) is None:
        raise InvalidInput(f"{quote(address, 80)!r} is no e-mail address", field="target")


def compose(alert: Alert, sender: str, receiver: str, public_url: str, now: datetime) -> EmailMessage:
    """The message. Its Message-ID is that of the alert, so a repeated one is recognised; incidents make threads.

    Raises InvalidInput for an address that is none.
    """
    check_address(receiver)
    domain = sender.rpartition("@")[2] or "localhost"
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = quote(alert.subject, 200)
    mail["From"] = sender
    mail["To"] = receiver
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = f"<{alert.id}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    if len(alert.entries) == 1:
        entry = alert.entries[0]
        thread = re.sub(r"[^A-Za-z0-9-]", "_", entry.event_id)
        mail["References"] = f"<incident-{thread}-{entry.number}@{domain}>"
    mail.set_content(_text(alert, public_url))
    mail.add_alternative(_html(alert, public_url), subtype="html")
    return mail


def _text(alert: Alert, public_url: str) -> str:
    if not alert.entries:
        return "This is a test. Alerts of EventPulse will arrive here.\n"
    shown = alert.entries[:SHOWN]
    parts = ["\n".join(_lines(entry, alone=len(alert.entries) == 1)) for entry in shown]
    if others := alert.others(len(shown)):
        parts.append(f"And {others}: {public_url.rstrip('/')}/incidents")
    return "\n\n".join(parts) + "\n"


def _lines(entry: Entry, *, alone: bool) -> list[str]:
    lines = [] if alone else [entry.title]
    lines += [entry.headline, *(f"- {finding}" for finding in entry.findings)]
    if entry.evidence is not None:
        lines += ["", *evidence_lines(entry.evidence)]
    return [*(quote(line, 1000) for line in lines), "", entry.url]


def _html(alert: Alert, public_url: str) -> str:
    if not alert.entries:
        body = "<p>This is a test. Alerts of EventPulse will arrive here.</p>"
    else:
        shown = alert.entries[:SHOWN]
        body = "".join(_section(entry) for entry in shown)
        if others := alert.others(len(shown)):
            body += f'<p><a href="{escape(public_url.rstrip("/"))}/incidents">And {escape(others)}</a></p>'
    return f'<!doctype html><html lang="en"><meta charset="utf-8"><body>{body}</body></html>'


def _section(entry: Entry) -> str:
    """One incident. Everything but the tags is escaped; nothing is loaded, and the only link is our own."""
    findings = "".join(f"<li>{_escaped(finding)}</li>" for finding in entry.findings)
    evidence = "".join(f"<p>{_escaped(line)}</p>" for line in evidence_lines(entry.evidence)) if entry.evidence else ""
    return (
        f"<h2>{_escaped(entry.title)}</h2><p><strong>{_escaped(entry.headline)}</strong></p><ul>{findings}</ul>"
        f'{evidence}<p><a href="{escape(entry.url)}">Open incident {entry.number} with its evidence</a></p>'
    )


def _escaped(text: str) -> str:
    return escape(quote(text, 1000))


class Mailer:
    """The mail server that the settings name. May be used from several threads; each message has its own connection."""

    def __init__(self, settings: Settings, tls: ssl.SSLContext | None = None) -> None:
        """`tls` stands in for the certificates that the machine trusts."""
        self._settings = settings
        self._tls = tls

    def send(self, mail: EmailMessage) -> None:
        """Hand a message over. Raises DeliveryError, final when the receiver's address is refused."""
        try:
            with self._connect() as server:
                self._log_in(server)
                server.send_message(mail)
        except smtplib.SMTPRecipientsRefused as error:
            code, words = next(iter(error.recipients.values()))
            raise DeliveryError(
                f"the mail server refused the address: {code} {_said(words)}", final=code >= 500
            ) from None
        except smtplib.SMTPResponseException as error:
            raise DeliveryError(f"the mail server answered {error.smtp_code} {_said(error.smtp_error)}") from None
        except smtplib.SMTPException as error:
            raise DeliveryError(f"the mail server: {_said(str(error))}") from None
        except OSError as error:
            where = f"{self._settings.smtp_host}:{self._settings.smtp_port}"
            raise DeliveryError(f"the mail server at {where} can't be reached ({type(error).__name__})") from None

    def _connect(self) -> smtplib.SMTP:
        host, port = self._settings.smtp_host, self._settings.smtp_port
        if not host:
            raise DeliveryError("EVENTPULSE_SMTP_HOST is not set")
        if self._settings.smtp_security == "tls":
            return smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_S, context=self._context())
        return smtplib.SMTP(host, port, timeout=TIMEOUT_S)

    def _log_in(self, server: smtplib.SMTP) -> None:
        if self._settings.smtp_security == "starttls":
            server.starttls(context=self._context())
        password = self._settings.smtp_password
        if self._settings.smtp_user and password:
            server.login(self._settings.smtp_user, password.get_secret_value())

    def _context(self) -> ssl.SSLContext:
        return self._tls or ssl.create_default_context()


def _said(words: bytes | str) -> str:
    return quote(words.decode(errors="replace") if isinstance(words, bytes) else words, 200)

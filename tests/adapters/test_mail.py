from __future__ import annotations

import re
import socket
import ssl
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from html.parser import HTMLParser
from threading import Thread

import pytest
import trustme

from app.adapters.mail import Mailer, check_address, compose
from app.adapters.ports import free_port
from app.core.alert_content import Alert
from app.core.errors import DeliveryError, InvalidInput
from app.settings import Settings
from tests.fakes.alerts import HOSTILE_TEXT, entry
from tests.fakes.clock import START
from tests.fakes.receivers import mail_server

TO = "press@example.org"
PUBLIC = "http://127.0.0.1:8000"


def mail(alert: Alert, to: str = TO) -> EmailMessage:
    """The message as its receiver reads it."""
    composed = compose(alert, "eventpulse@example.org", to, PUBLIC, START)
    read = message_from_bytes(composed.as_bytes(), _class=EmailMessage, policy=default)
    assert isinstance(read, EmailMessage)
    return read


def part(message: EmailMessage, kind: str) -> str:
    found = message.get_body((kind,))
    assert found is not None
    return str(found.get_content())


class Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, attrs))


def settings(port: int, **more: object) -> Settings:
    values: dict[str, object] = {"smtp_host": "127.0.0.1", "smtp_port": port, "smtp_security": "none"}
    return Settings.model_validate(values | more)


def test_a_mail_has_a_subject_two_parts_and_the_link() -> None:
    read = mail(Alert("msg_1", (entry(),)))
    assert read["Subject"].strip() == "HIGH: Launch the screen flickers: incident 1 opened as high: negative share"
    assert (read["To"], read["From"], read["Auto-Submitted"]) == (TO, "eventpulse@example.org", "auto-generated")
    for kind in ("plain", "html"):
        assert "Negative share 41 % (36-47), up from 22 %" in part(read, kind)
        assert "31 authors, at least 4.2 x the usual share" in part(read, kind)
        assert "incidents?event=launch&" in part(read, kind)


def test_a_repeated_mail_is_the_same_mail_and_the_changes_of_an_incident_are_one_thread() -> None:
    first, again, later = (mail(Alert(name, (entry(),))) for name in ("msg_1", "msg_1", "msg_2"))
    assert first["Message-ID"] == again["Message-ID"] == "<msg_1@example.org>"
    assert later["Message-ID"] != first["Message-ID"]
    assert later["References"] == first["References"] == "<incident-launch-1@example.org>"


def test_several_incidents_are_shown_and_counted() -> None:
    read = mail(Alert("m", tuple(entry(number, text="") for number in range(1, 18))))
    assert (
        read["Subject"].strip() == "HIGH: 17 incidents, Launch: incident 1 opened as high: negative share and 16 more"
    )
    assert "And 12 more: http://127.0.0.1:8000/incidents" in part(read, "plain")
    assert "And 12 more" in part(read, "html")
    assert "incident 6" not in part(read, "plain")


def test_no_text_from_outside_is_markup_or_a_header() -> None:
    for text in HOSTILE_TEXT:
        read = mail(Alert("m", (entry(text=text, event_id=text),)))
        assert set(read.keys()) == {
            "Subject", "From", "To", "Date", "Message-ID", "Auto-Submitted", "References", "MIME-Version",
            "Content-Type",
        }, text  # fmt: skip
        assert read["To"] == TO
        for tag, attributes in Tags(part(read, "html")).found:
            assert tag in {"html", "meta", "body", "h2", "p", "strong", "ul", "li", "a"}, text
            if tag == "a":
                assert [name for name, _ in attributes] == ["href"], text
                assert str(attributes[0][1]).startswith(PUBLIC), text
        assert not re.search("[\x00\x1b\u202a-\u202e\u2066-\u2069]", part(read, "plain")), text


@pytest.mark.parametrize(
    "address",
    [
        "",
        "nobody",
        "a@b, c@d",
        "a@b;c@d",
        "Press <press@example.org>",
        "press@example.org\r\nBcc: other@example.org",
        "press@example.org\n",
        "a b@example.org",
        '"a b"@example.org',
        "a@@example.org",
        "a@-example.org",
        "a@example..org",
        "a@[127.0.0.1]",
        "ä@example.org",
        "a" * 65 + "@example.org",
        "a@" + "b." * 130 + "org",
        "a@example.org>",
    ],
)
def test_what_is_not_one_plain_address_is_refused(address: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_address(address)
    assert caught.value.field == "target"
    with pytest.raises(InvalidInput):
        compose(Alert("t"), "eventpulse@example.org", address, PUBLIC, START)


def test_a_mail_arrives() -> None:
    with mail_server() as mailbox:
        Mailer(settings(mailbox.port)).send(mail(Alert("t")))
    assert mailbox.receivers == [TO]
    assert mailbox.mails[0]["Subject"] == "EventPulse: test of this channel"


def test_a_mail_arrives_encrypted() -> None:
    authority, server, client = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)
    with mail_server(server) as mailbox:
        with pytest.raises(DeliveryError, match="SSLCertVerificationError"):
            Mailer(settings(mailbox.port, smtp_security="starttls")).send(mail(Alert("t")))
        authority.configure_trust(client)
        Mailer(settings(mailbox.port, smtp_security="starttls"), client).send(mail(Alert("t")))
    assert mailbox.encrypted == [True]


def test_a_server_without_encryption_is_not_trusted_with_a_mail_that_asks_for_it() -> None:
    with mail_server() as mailbox:
        with pytest.raises(DeliveryError, match="STARTTLS") as caught:
            Mailer(settings(mailbox.port, smtp_security="starttls")).send(mail(Alert("t")))
    assert not caught.value.final
    assert mailbox.mails == []


@pytest.mark.parametrize(("answer", "final"), [("550 no such user", True), ("450 try later", False)])
def test_an_address_that_is_refused(answer: str, final: bool) -> None:
    with mail_server() as mailbox:
        mailbox.refuses[TO] = answer
        with pytest.raises(DeliveryError, match=answer) as caught:
            Mailer(settings(mailbox.port)).send(mail(Alert("t")))
    assert caught.value.final is final


def test_a_server_that_is_not_there_is_tried_again() -> None:
    port = free_port()
    with pytest.raises(DeliveryError, match=f"127.0.0.1:{port} can't be reached") as caught:
        Mailer(settings(port)).send(mail(Alert("t")))
    assert not caught.value.final


def test_a_server_that_hangs_up_is_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.listen()
        listener.settimeout(5)
        mailer = Mailer(settings(listener.getsockname()[1]))

        def hang_up() -> None:
            listener.accept()[0].close()

        thread = Thread(target=hang_up)
        thread.start()
        with pytest.raises(DeliveryError) as caught:
            mailer.send(mail(Alert("t")))
        thread.join()
    assert not caught.value.final


def test_without_a_mail_server_it_says_which_setting_is_missing() -> None:
    with pytest.raises(DeliveryError, match="EVENTPULSE_SMTP_HOST is not set"):
        Mailer(Settings()).send(mail(Alert("t")))

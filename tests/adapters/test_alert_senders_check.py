"""What may be entered as the target of a channel."""

from __future__ import annotations

import asyncio
import socket
from threading import Event

import pytest

from app.adapters.alert_senders import Senders
from app.core.alerts import ChannelKind
from app.core.errors import ConfigError, InvalidInput
from app.settings import Settings
from tests.fakes.urls import HOSTILE_NAMES


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        (ChannelKind.WEBHOOK, "http://127.0.0.1/"),
        (ChannelKind.SLACK, "file:///etc/passwd"),
        (ChannelKind.WEBHOOK, "https://ten.example.org/"),
        (ChannelKind.EMAIL, "a@b, c@d"),
    ],
)
def test_what_cannot_be_sent_to_is_refused_when_it_is_entered(kind: ChannelKind, target: str) -> None:
    senders = Senders(Settings(_env_file=None), resolve=lambda host, port: [HOSTILE_NAMES[host]])
    with pytest.raises(InvalidInput) as caught:
        asyncio.run(senders.check(kind, target))
    senders.close()
    assert caught.value.field == "target"


def test_a_name_that_is_not_known_yet_may_be_entered() -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    senders = Senders(Settings(_env_file=None), resolve=unknown)
    asyncio.run(senders.check(ChannelKind.WEBHOOK, "https://new.example.org/hook"))
    senders.close()


def test_a_name_server_that_hangs_keeps_nobody_from_entering_a_url() -> None:
    entered = Event()

    def hanging(host: str, port: int) -> list[str]:
        assert entered.wait(20)
        return ["127.0.0.1"]

    senders = Senders(Settings(_env_file=None), resolve=hanging, deadline_s=0.05)
    asyncio.run(senders.check(ChannelKind.WEBHOOK, "https://slow.example.org/hook"))
    entered.set()
    senders.close()


def test_a_wild_list_of_ports_is_refused_at_the_start() -> None:
    with pytest.raises(ConfigError, match="no list of ports"):
        Senders(Settings(alert_ports="http", _env_file=None))

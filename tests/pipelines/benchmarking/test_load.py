from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from app.core.errors import ConfigError
from pipelines.benchmarking.client import Address, Broken, Connection
from pipelines.benchmarking.load import Job, run
from pipelines.benchmarking.statistics import Turn

Answer = Callable[[dict[str, Any]], tuple[str, bytes]]


class Server:
    """The least HTTP server: remembers what it was asked, answers what it is told to."""

    def __init__(self, answer: Answer) -> None:
        self.asked: list[dict[str, Any]] = []
        self.heads: list[str] = []
        self.connections = 0
        self._answer = answer

    async def serve(self, use: Callable[[str], Awaitable[Turn]]) -> Turn:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            return await use(f"http://127.0.0.1:{port}/v1/classify")

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = next(
                    int(line.split(":")[1]) for line in head.splitlines() if line.startswith("Content-Length")
                )
                asked = json.loads(await reader.readexactly(length))
                self.heads.append(head)
                self.asked.append(asked)
                head, body = self._answer(asked)
                if not head:
                    break
                writer.write(f"HTTP/1.1 {head}\r\n\r\n".encode() + body)
                await writer.drain()
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()


def texts_of(asked: dict[str, Any]) -> list[str]:
    return asked["texts"] if "texts" in asked else [asked["text"]]


def good(asked: dict[str, Any]) -> tuple[str, bytes]:
    body = json.dumps({"predictions": [{"label": "neutral"} for _ in texts_of(asked)]}).encode()
    return f"200 OK\r\nContent-Length: {len(body)}", body


def chunked(asked: dict[str, Any]) -> tuple[str, bytes]:
    body = good(asked)[1]
    parts = b"".join(f"{len(part):x}\r\n".encode() + part + b"\r\n" for part in (body[:7], body[7:]))
    return "200 OK\r\nTransfer-Encoding: chunked", parts + b"0\r\n\r\n"


def refusing(asked: dict[str, Any]) -> tuple[str, bytes]:
    return "503 Service Unavailable\r\nContent-Length: 2", b"no"


def drive(server: Server, **job: Any) -> Turn:
    given: dict[str, Any] = {"start": 1_000_000, "seconds": 0.0, "texts": 20, **job}
    return asyncio.run(server.serve(lambda url: run(Job(url=url, **given), ["a", "b"])))


@pytest.mark.parametrize("answer", [good, chunked])
def test_callers_keep_their_connections_and_never_repeat_a_text(answer: Answer) -> None:
    server = Server(answer)
    turn = drive(server, callers=4)
    assert (turn.texts, len(turn.latencies_s), turn.failures) == (20, 20, {})
    assert server.connections == 4
    sent = [asked["text"] for asked in server.asked]
    assert sorted(sent, key=lambda text: text.split()[1])[:2] == ["a 1000000", "b 1000001"]
    assert len(set(sent)) == 20


def test_a_turn_ends_after_both_texts_and_time() -> None:
    server = Server(good)
    turn = drive(server, per_request=8)
    assert [len(asked["texts"]) for asked in server.asked] == [8, 8, 8]
    assert turn.texts == 24
    turn = drive(Server(good), texts=0, seconds=0.05)
    assert turn.seconds >= 0.05
    assert turn.texts >= 1


def test_headers_are_sent() -> None:
    server = Server(good)
    drive(server, texts=1, headers={"Authorization": "Bearer abc"})
    assert "Authorization: Bearer abc\r\n" in server.heads[0]


def test_what_is_no_answer_is_counted_and_is_no_throughput() -> None:
    turn = drive(Server(refusing), texts=3)
    assert (turn.texts, turn.latencies_s, turn.failures) == (0, (), {"HTTP 503": 3})
    turn = drive(Server(lambda asked: ("200 OK\r\nContent-Length: 2", b"{}")), texts=2)
    assert turn.failures == {"200 without predictions": 2}
    turn = drive(Server(lambda asked: ("", b"")), texts=2)
    assert turn.failures == {"no answer: IncompleteReadError": 2}


def test_a_server_that_fails_sometimes_is_asked_again() -> None:
    server = Server(lambda asked: refusing(asked) if asked["text"].endswith("3") else good(asked))
    turn = drive(server, texts=10)
    assert (turn.texts, turn.failures) == (9, {"HTTP 503": 1})


def test_nobody_listens() -> None:
    with pytest.raises(Broken, match="ConnectionRefusedError"):
        asyncio.run(Connection(Address("127.0.0.1", 1, "/")).ask(b""))


@pytest.mark.parametrize("url", ["http://example.org/", "https://127.0.0.1/", "127.0.0.1:8000", "http://10.0.0.1:8000"])
def test_load_is_for_this_machine_only(url: str) -> None:
    with pytest.raises(ConfigError, match="not on this machine"):
        Address.of(url)

"""A small HTTP/1.1 client for load: one kept-alive connection a caller, bodies made beforehand, little work of its own.

It shares the cores with what it measures, so what it costs counts against every side alike; a full client would cost
several times as much as the server it asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from app.core.errors import ConfigError

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_LONGEST_LINE = 1 << 20


class Broken(Exception):
    """The connection failed, or what came is no HTTP."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to post: taken apart once."""

    host: str
    port: int
    path: str

    @classmethod
    def of(cls, url: str) -> Address:
        """The address of a URL. Raises ConfigError unless it is plain HTTP on this machine."""
        parts = urlsplit(url)
        if parts.scheme != "http" or parts.hostname not in _LOOPBACK:
            raise ConfigError(
                f"{url} is not on this machine: the sides have to share one, so give http://127.0.0.1:PORT"
            )
        return cls(parts.hostname, parts.port or 80, parts.path or "/")

    def request(self, body: bytes, headers: Mapping[str, str]) -> bytes:
        """The bytes of a POST of JSON."""
        lines = [f"POST {self.path} HTTP/1.1", f"Host: {self.host}:{self.port}", "Content-Type: application/json"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


class Connection:
    """One connection, opened when it is needed; after an error the next request opens a new one."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body. Raises Broken."""
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection(
                    self._address.host, self._address.port, limit=_LONGEST_LINE
                )
            reader, writer = self._streams
            writer.write(request)
            await writer.drain()
            return await self._answer(reader)
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
            self.close()
            raise Broken(type(error).__name__) from error

    def close(self) -> None:
        """End it; a second time does nothing."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _answer(self, reader: asyncio.StreamReader) -> tuple[int, bytes]:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        status = int(head[0].split(" ", 2)[1])
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body = await _chunks(reader)
        else:
            body = await reader.readexactly(int(headers["content-length"] if "content-length" in headers else "0"))
        if headers.get("connection", "").lower() == "close":
            self.close()
        return status, body


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    parts = []
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        parts.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readuntil(b"\r\n")
    return b"".join(parts)

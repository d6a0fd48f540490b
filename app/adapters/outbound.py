"""POST requests to addresses that users give: checked, bound to what was checked, and with one deadline for all.

The name is resolved once, every address that it has is judged, and the connection is made to one of those: a name that
means something else a moment later (DNS rebinding) changes nothing. Host header and TLS name stay those of the URL.
Redirects are not followed, no proxy of the environment is used, and of the answer only the status is read.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, TypeAlias

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from app.core.addresses import Address, Policy, Target
from app.core.errors import DeliveryError

DEADLINE_S: Final = 15.0
"""For all of it: resolving, connecting, TLS, sending, and the head of the answer."""

Resolve: TypeAlias = Callable[[str, int], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver answered. `retry_after` is the header of that name, in seconds; 0 without one."""

    status: int
    retry_after: float


def system_resolve(host: str, port: int) -> list[str]:
    """The addresses of a name. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Outbound:
    """Sends requests within a policy. `threads` resolve names; `tls` stands in for the certificates of the machine."""

    def __init__(
        self,
        policy: Policy,
        threads: Executor,
        *,
        resolve: Resolve = system_resolve,
        tls: ssl.SSLContext | None = None,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._policy = policy
        self._threads = threads
        self._resolve = resolve
        self._tls = tls
        self._deadline_s = deadline_s

    async def check(self, url: str) -> None:
        """Raises InvalidInput for a URL that is refused as it is read, DeliveryError for what it resolves to."""
        target = self._policy.target(url)
        try:
            async with asyncio.timeout(self._deadline_s):
                await self._addresses(target)
        except TimeoutError:
            raise DeliveryError(f"the name {target.host} was not resolved within {self._deadline_s:g} s") from None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send a body. Raises InvalidInput for the URL; DeliveryError, final where the address is refused."""
        target = self._policy.target(url)
        try:
            async with asyncio.timeout(self._deadline_s):
                return await self._post(target, await self._addresses(target), body, headers)
        except TimeoutError:
            raise DeliveryError(f"no answer within {self._deadline_s:g} s") from None
        except aiohttp.ClientConnectorCertificateError:
            raise DeliveryError(f"the certificate of {target.host} is not one for it that is trusted") from None
        except (aiohttp.ClientError, OSError) as error:
            # The texts of these errors may quote the URL, which may hold a key.
            raise DeliveryError(f"{target.host} can't be reached ({type(error).__name__})") from None

    async def _addresses(self, target: Target) -> list[Address]:
        if target.literal is not None:
            return [target.literal]  # judged as the URL was read
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(self._threads, self._resolve, target.host, target.port)
        except OSError:
            raise DeliveryError(f"the name {target.host} can't be resolved") from None
        addresses = [ip_address(address.partition("%")[0]) for address in found]
        for address in addresses:
            reason = self._policy.refusal(address, target.port)
            if reason is not None:
                raise DeliveryError(f"{target.host} leads to {reason}", final=True)
        return addresses

    async def _post(
        self, target: Target, addresses: Sequence[Address], body: bytes, headers: Mapping[str, str]
    ) -> Answer:
        url = URL(f"{target.scheme}://{target.authority}{target.path}", encoded=True)  # nothing mends it any more
        connector = aiohttp.TCPConnector(
            resolver=_Pinned(addresses), use_dns_cache=False, force_close=True, ssl=self._tls or True
        )
        async with (
            aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, auto_decompress=False
            ) as session,
            session.post(url, data=body, headers=headers, allow_redirects=False) as response,
        ):
            return Answer(response.status, _seconds(response.headers.get("Retry-After", "")))


class _Pinned(AbstractResolver):
    """Knows the addresses that were judged, and no others."""

    def __init__(self, addresses: Sequence[Address]) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The judged addresses, whatever is asked for."""
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=socket.AF_INET if address.version == 4 else socket.AF_INET6,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        """Nothing to let go of."""


def _seconds(header: str) -> float:
    return float(header) if header.isascii() and header.isdigit() and len(header) < 10 else 0.0

"""Requests with ids that repeat and texts that do not, and which arm answered each."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass

import aiohttp

from cluster.local import SAMPLE


@dataclass(frozen=True, slots=True)
class Answer:
    """One request. `arm` is empty when it failed."""

    at: float
    key: str
    arm: str
    failure: str = ""


def texts(of: str) -> Iterator[str]:
    """Texts that never repeat: those of the sample, each with what they are for and a number behind it."""
    sample = [json.loads(line)["text"] for line in SAMPLE.read_text().splitlines()]
    for number, text in enumerate(itertools.cycle(sample)):
        yield f"{text} {of} {number}"


class Load:
    """Single texts to /v1/classify, each caller one after the other on its own connection."""

    def __init__(self, url: str, keys: int, of: str) -> None:
        self._url = f"{url}/v1/classify"
        self._keys = keys
        self._texts = texts(of)
        self._sent = itertools.count()
        self.answers: list[Answer] = []

    async def ask(self, session: aiohttp.ClientSession) -> Answer:
        """One request, noted."""
        key = f"key-{next(self._sent) * 7919 % self._keys}"
        body = {"text": next(self._texts), "ids": [key]}
        at = time.monotonic()
        try:
            async with session.post(self._url, json=body) as answer:
                said = await answer.json()
                if answer.status == 200:
                    noted = Answer(at, key, said["predictions"][0]["arm"])
                else:
                    noted = Answer(at, key, "", f"{answer.status} {said}")
        except (aiohttp.ClientError, TimeoutError) as error:
            noted = Answer(at, key, "", repr(error))
        self.answers.append(noted)
        return noted

    async def closed(self, session: aiohttp.ClientSession, done: asyncio.Event) -> None:
        """One request after the other."""
        while not done.is_set():
            await self.ask(session)

    async def paced(self, session: aiohttp.ClientSession, per_s: float, done: asyncio.Event) -> None:
        """So many a second, whether or not the earlier ones have been answered."""
        running: set[asyncio.Task[Answer]] = set()
        begun = time.monotonic()
        for number in itertools.count():
            if done.is_set():
                break
            await asyncio.sleep(max(0.0, begun + number / per_s - time.monotonic()))
            task = asyncio.create_task(self.ask(session))
            running.add(task)
            task.add_done_callback(running.discard)
        await asyncio.gather(*running)


def session() -> aiohttp.ClientSession:
    """As many connections as callers, kept alive."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60), timeout=aiohttp.ClientTimeout(total=60)
    )

"""The load generator, a process of its own: callers in a closed loop, each asking again as soon as it has its answer.

    python -m pipelines.benchmarking.load       # a JSON object a line in, a JSON object a line out

The first line gives the base texts, {"texts": [...]}; every other one is a `Job`, and is answered by its turn.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any

from pipelines.benchmarking.client import Address, Broken, Connection
from pipelines.benchmarking.statistics import Turn
from pipelines.benchmarking.stream import numbered

_PAUSE_AFTER_FAILURE_S = 0.05


@dataclass(frozen=True, slots=True)
class Job:
    """What to send: to `url`, by so many `callers`, requests of `per_request` texts that are numbered from `start`.

    It lasts until both `seconds` have passed and `texts` have been sent, whichever is later; requests that are under
    way then are waited for and count.
    """

    url: str
    start: int
    callers: int = 1
    per_request: int = 1
    seconds: float = 3.0
    texts: int = 0
    repeated: float = 0.0
    headers: Mapping[str, str] = field(default_factory=dict)


class _Caller:
    """What all callers of a turn share."""

    def __init__(self, job: Job, texts: Iterator[str]) -> None:
        self._job = job
        self._texts = texts
        self._address = Address.of(job.url)
        self._begun = time.perf_counter()
        self._sent = 0
        self.answered = 0
        self.latencies: list[float] = []
        self.failures: Counter[str] = Counter()

    async def call(self) -> None:
        """Ask until the turn is over."""
        connection = Connection(self._address)
        try:
            while not self._over():
                await self._once(connection)
        finally:
            connection.close()

    def turn(self) -> Turn:
        """What came of it."""
        return Turn(self.answered, time.perf_counter() - self._begun, tuple(self.latencies), dict(self.failures))

    def _over(self) -> bool:
        return self._sent >= self._job.texts and time.perf_counter() - self._begun >= self._job.seconds

    async def _once(self, connection: Connection) -> None:
        texts = list(islice(self._texts, self._job.per_request))
        self._sent += len(texts)
        asked = {"text": texts[0]} if self._job.per_request == 1 else {"texts": texts}
        request = self._address.request(json.dumps(asked).encode(), self._job.headers)
        begun = time.perf_counter()
        try:
            status, body = await connection.ask(request)
        except Broken as error:
            failure = f"no answer: {error}"
        else:
            took = time.perf_counter() - begun
            if status == 200 and body.count(b'"label"') == len(texts):
                self.answered += len(texts)
                self.latencies.append(took)
                return
            failure = "200 without predictions" if status == 200 else f"HTTP {status}"
        self.failures[failure] += 1
        await asyncio.sleep(_PAUSE_AFTER_FAILURE_S)  # a server that refuses is not hammered


async def run(job: Job, base: Sequence[str]) -> Turn:
    """One turn. Raises ConfigError for a URL that is not on this machine."""
    shared = _Caller(job, numbered(base, job.start, repeated=job.repeated))
    await asyncio.gather(*(shared.call() for _ in range(job.callers)))
    return shared.turn()


def main() -> int:
    """Answer line by line until the input ends; gives the exit status."""
    base: list[str] = json.loads(sys.stdin.readline())["texts"]
    for line in sys.stdin:
        given: dict[str, Any] = json.loads(line)
        turn = asyncio.run(run(Job(**given), base))
        sys.stdout.write(json.dumps(asdict(turn)) + "\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())

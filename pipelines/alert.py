"""Sends what is in the outbox of alerts: in the live pipeline, beside it, and by hand.

    python -m pipelines.alert --once     # send what is due and end; prints what became of it as JSON
    python -m pipelines.alert            # go on until interrupted

A message is claimed before it is sent and marked after it was delivered. A sender that dies in between leaves it
claimed; after `LEASE` another one sends it again with the same id, by which a receiver tells that it has it already.
Any number of senders may work on one store.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import random
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol, TypeVar

from app.adapters.alert_records import Parcel
from app.adapters.alert_senders import LONGEST_S, Senders
from app.adapters.store import Store
from app.core.alert_content import Alert, Evidence
from app.core.alerts import Channel
from app.core.errors import AppError, DeliveryError, NotFound, StoreError
from app.services.alert_contents import AlertContents
from app.settings import Settings
from pipelines.follow import backoff

T = TypeVar("T")

POLL_S: Final = 0.25
"""How often the outbox is looked at: an indexed read that takes no lock."""

EVIDENCE_S: Final = 3.0
"""How long an alert waits for its evidence; what is not ready then is a click away."""

GIVE_UP_AFTER: Final = timedelta(hours=24)
_FIRST_RETRY_S: Final = 2.0
_LONGEST_RETRY_S: Final = 900.0
_LONGEST_ASKED_S: Final = 3_600.0
_LATE: Final = "The evidence was not ready in time: open the incident to see it."

log = logging.getLogger(__name__)


class Sends(Protocol):
    """Who brings an alert to its channel."""

    async def send(self, channel: Channel, alert: Alert) -> None:
        """Send it. Raises DeliveryError, which says whether to try again."""


class Watcher(Protocol):
    """Is told what becomes of the messages, to count it."""

    def delivered(self, channel: Channel, seconds: Sequence[float]) -> None:
        """A message arrived; `seconds` is how long after each change that it tells of."""

    def failed(self, channel: Channel, *, final: bool) -> None:
        """A message did not arrive; `final`: it was given up."""


class Alerter:
    """Works off the outbox. One message at a time to each channel, so that one that hangs holds up no other.

    `sleep` waits so many seconds; `rng` spreads the attempts of many.
    """

    def __init__(
        self,
        store: Store,
        contents: AlertContents,
        senders: Sends,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rng: random.Random | None = None,
        watcher: Watcher | None = None,
        evidence_s: float = EVIDENCE_S,
    ) -> None:
        self._store = store
        self._contents = contents
        self._senders = senders
        self._now = now
        self._sleep = sleep
        self._rng = rng or random.Random()
        self._watcher = watcher
        self._evidence_s = evidence_s
        self._sending: dict[str, asyncio.Task[str]] = {}
        # Not the loop's own threads: those carry the live pipeline. Evidence that takes long holds up evidence alone.
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="alerter")
        self._explaining = ThreadPoolExecutor(1, thread_name_prefix="alert-evidence")

    async def run(self, poll_s: float = POLL_S) -> None:
        """Until cancelled. What is under way then is claimed again when its time is over."""
        try:
            while True:
                try:
                    for parcel in await self._in_thread(lambda: self._store.alerts.claim(list(self._sending))):
                        self._sending[parcel.channel.id] = asyncio.create_task(self._deliver(parcel))
                except StoreError as error:
                    log.warning("can't read the outbox: %s", error)
                await self._sleep(poll_s)
                for channel_id in [key for key, task in self._sending.items() if task.done()]:
                    self._sending.pop(channel_id).result()
        finally:
            for task in self._sending.values():
                task.cancel()
            await asyncio.gather(*self._sending.values(), return_exceptions=True)
            self.close()

    async def once(self) -> dict[str, int]:
        """Send everything that is due now; gives how many messages were sent, are to be tried again, or failed."""
        outcomes: Counter[str] = Counter({"sent": 0, "again": 0, "failed": 0})
        while parcels := await self._in_thread(self._store.alerts.claim):
            outcomes.update(await asyncio.gather(*map(self._deliver, parcels)))
        return dict(outcomes)

    def close(self) -> None:
        """Let go of the threads; a second time does nothing."""
        for threads in (self._threads, self._explaining):
            threads.shutdown(wait=False, cancel_futures=True)

    async def _deliver(self, parcel: Parcel) -> str:
        """Send a message and note what became of it: sent, again or failed."""
        try:
            if not parcel.channel.enabled:
                raise DeliveryError("the channel was switched off", final=True)
            alert = await self._alert(parcel)
            if self._now() > parcel.until - timedelta(seconds=LONGEST_S):
                raise DeliveryError("it took too long to write")
            await self._senders.send(parcel.channel, alert)
        except DeliveryError as error:
            return await self._failed(parcel, error)
        except NotFound:  # the event went, and its deliveries with it
            return "failed"
        except StoreError as error:
            return await self._failed(parcel, DeliveryError(str(error)))
        await self._mark(parcel, lambda: self._store.alerts.mark_sent(parcel))
        if self._watcher is not None:
            now = self._now()
            self._watcher.delivered(
                parcel.channel, [(now - told.told_at).total_seconds() for _, told in parcel.changes]
            )
        return "sent"

    async def _alert(self, parcel: Parcel) -> Alert:
        alert = await self._in_thread(lambda: self._contents.of(parcel))
        try:
            async with asyncio.timeout(self._evidence_s):
                return await asyncio.get_running_loop().run_in_executor(
                    self._explaining, self._contents.explained, alert
                )
        except TimeoutError:
            entries = tuple(replace(entry, evidence=Evidence(note=_LATE)) for entry in alert.entries)
            return replace(alert, entries=entries)

    async def _failed(self, parcel: Parcel, error: DeliveryError) -> str:
        waited = self._now() - parcel.created_at
        final, reason = error.final, str(error)
        if not final and waited >= GIVE_UP_AFTER:
            final, reason = True, f"gave up after {waited / timedelta(hours=1):.0f} hours: {reason}"
        wait = backoff(_FIRST_RETRY_S, parcel.attempt, _LONGEST_RETRY_S) * self._rng.uniform(0.5, 1.0)
        wait = max(wait, min(error.retry_after, _LONGEST_ASKED_S))
        again_at = None if final else self._now() + timedelta(seconds=wait)
        log.warning("alert %s to channel %s: %s", parcel.id, parcel.channel.id, reason)
        await self._mark(parcel, lambda: self._store.alerts.mark_failed(parcel, reason, again_at))
        if self._watcher is not None:
            self._watcher.failed(parcel.channel, final=final)
        return "failed" if final else "again"

    async def _mark(self, parcel: Parcel, mark: Callable[[], bool]) -> None:
        """Note an outcome, again and again while the store refuses and the message is ours."""
        while True:
            try:
                await self._in_thread(mark)
                return
            except StoreError as error:
                log.warning("can't note what became of alert %s: %s", parcel.id, error)
                if self._now() >= parcel.until:
                    return
                await self._sleep(1.0)

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)


def alerter(store: Store, settings: Settings, watcher: Watcher | None = None) -> Alerter:
    """The alerter that the settings describe. Raises ConfigError for a wrong list of ports."""

    def now() -> datetime:
        return datetime.now(UTC)

    contents = AlertContents.served(store, settings, now)
    return Alerter(store, contents, Senders(settings, now=now), now=now, watcher=watcher)


def main(arguments: Sequence[str]) -> int:
    """The command line, as the module docstring shows it; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.alert", description="Send the alerts that are due.")
    parser.add_argument("--once", action="store_true", help="send what is due and end")
    options = parser.parse_args(arguments)
    try:
        settings = Settings()
        with Store(settings.database) as store:
            store.migrate()
            worker = alerter(store, settings)
            if not options.once:
                asyncio.run(worker.run())
            sys.stdout.write(json.dumps(asyncio.run(worker.once())) + "\n")
    except AppError as error:
        sys.stderr.write(f"alert: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

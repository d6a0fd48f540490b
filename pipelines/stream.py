"""The live pipeline: follows every source of every event, keeps what it finds classified, counted and stored, and
sends the alerts.

It is a Serve application of its own (`pipelines.stream:live` in serve_config.yaml), so Serve restarts it. Everything
it must remember is in the store: a new replica goes on at the stored cursors and rebuilds the duplicate index.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict
from ray import serve
from ray.serve import Application

from app.adapters.store import Store
from app.adapters.telemetry import AlertMetrics, DetectionMetrics
from app.core.alerts import Channel
from app.core.errors import ClassifierError, Overloaded
from app.serving.handles import GRACE_S, bind, router_handle
from app.settings import Settings
from pipelines.alert import alerter
from pipelines.detect import Outcome
from pipelines.supervise import Supervisor, ensure_replay_event


class LiveArguments(BaseModel):
    """Arguments of the application `live`: a recording to replay instead of the one that the settings name."""

    model_config = ConfigDict(extra="forbid")

    replay_path: Path | None = None
    replay_event: str | None = None
    replay_query: str | None = None
    replay_speed: float | None = None
    replay_times: Literal["kept", "shifted"] | None = None


class Counted:
    """How the tests of the events go, as metrics."""

    def __init__(self) -> None:
        self._metrics = DetectionMetrics()

    def tested(self, done: Outcome, seconds: float, notice_s: Sequence[float]) -> None:
        """Count a test and what it told."""
        self._metrics.seconds.observe(seconds)
        for update in done.told:
            severity = update.incident.severity.name.lower()
            self._metrics.changes.inc(1, {"change": update.change.value, "severity": severity})
        if done.late:
            self._metrics.late.inc(done.late)
        for noticed_s in notice_s:
            self._metrics.noticed.observe(noticed_s)

    def failed(self) -> None:
        """Count a test that the database refused."""
        self._metrics.failures.inc(1)


class CountedAlerts:
    """What becomes of alerts, as metrics."""

    def __init__(self) -> None:
        self._metrics = AlertMetrics()

    def delivered(self, channel: Channel, seconds: Sequence[float]) -> None:
        """Count a message that arrived, and how long after each change that it tells of."""
        self._metrics.messages.inc(1, {"kind": channel.kind.value, "outcome": "sent"})
        for took_s in seconds:
            self._metrics.seconds.observe(took_s, {"kind": channel.kind.value})

    def failed(self, channel: Channel, *, final: bool) -> None:
        """Count a message that did not arrive."""
        self._metrics.messages.inc(1, {"kind": channel.kind.value, "outcome": "failed" if final else "again"})


@serve.deployment
class LivePipeline:
    """One replica: sources must not be read twice."""

    def __init__(self, arguments: LiveArguments) -> None:
        self._settings = Settings().model_copy(update=arguments.model_dump(exclude_none=True))
        self._store = Store(self._settings.database)
        self._store.migrate()
        ensure_replay_event(self._store, self._settings)
        self._alerter = alerter(self._store, self._settings, CountedAlerts())
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._alerter.run())
            tasks.create_task(self._follow())

    async def _follow(self) -> None:
        while True:
            try:
                classifier = router_handle(self._settings.classify_deadline_s + GRACE_S)
                trained = await classifier.languages()
                break
            except Overloaded as error:  # the classifier is still coming up
                await asyncio.sleep(min(error.retry_after, 1.0))
        await Supervisor(self._store, classifier, self._settings, trained, Counted()).run()

    def check_health(self) -> None:
        """Called by Serve; an error makes it replace this replica."""
        if self._task.done():
            self._task.result()
            raise ClassifierError("the live pipeline has ended")


def live(arguments: LiveArguments) -> Application:
    """The live pipeline."""
    return bind(LivePipeline, arguments)

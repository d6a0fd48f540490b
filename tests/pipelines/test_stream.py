from __future__ import annotations

from app.core.incidents import Change, Severity
from pipelines.detect import Outcome
from pipelines.stream import Counted
from tests.adapters.incident_builders import incident, opened, then


def test_the_metrics_take_whatever_the_detector_tells() -> None:
    """Ray refuses a label that was not declared, and a number below zero."""
    counted = Counted()
    steps = [opened(incident(severity=severity)) for severity in Severity]
    steps += [then(incident(), change, 5) for change in (Change.RAISED, Change.UPDATED, Change.CLOSED)]
    for done in (Outcome(), Outcome(tuple(steps), late=3)):
        counted.tested(done, 0.02, [0.5, 3.0])
    counted.failed()

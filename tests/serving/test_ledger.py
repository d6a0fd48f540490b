from __future__ import annotations

import pytest

from app.adapters.telemetry import Telemetry
from app.core.errors import ClassifierError
from app.core.types import Label, Prediction
from app.serving.ledger import Ledger, Pair
from tests.fakes.serving import ManualClock


def said(arm: str, label: Label = Label.NEUTRAL) -> Prediction:
    return Prediction(label, (0.2, 0.6, 0.2), f"model of {arm}", "fake", arm)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def ledger(clock: ManualClock) -> Ledger:
    return Ledger("r1", clock=clock)


def test_latencies_are_those_of_answered_requests(ledger: Ledger) -> None:
    for milliseconds in range(1, 101):
        ledger.answered("champion", [said("champion")] * 2, milliseconds / 1000, remembered=1)
    ledger.failed("champion", 3, ClassifierError("no"))
    ledger.skipped("champion", 4)
    report = ledger.report(0).arms["champion"]
    assert (report.requests, report.texts, report.remembered, report.failed, report.skipped) == (100, 200, 100, 3, 4)
    assert (report.p50_s, report.p95_s, report.p99_s) == (0.05, 0.095, 0.099)


def test_the_metrics_take_whatever_happens() -> None:
    ledger = Ledger("r1", telemetry=Telemetry())
    for remembered in (0, 1):
        ledger.answered("champion", [said("champion")], 0.1, remembered)
    ledger.failed("champion", 1, ClassifierError("no"))
    ledger.skipped("champion", 1)
    assert ledger.report(0).arms["champion"].requests == 2


def test_a_report_begins_where_it_is_told_to(ledger: Ledger, clock: ManualClock) -> None:
    ledger.answered("champion", [said("champion")], 1.0, 0)
    ledger.paired([Pair("a", said("champion"), said("challenger"))])
    clock.now += 10
    ledger.answered("challenger", [said("challenger")], 2.0, 0)
    report = ledger.report(clock.now - 5)
    assert report.router == "r1"
    assert list(report.arms) == ["challenger"]
    assert not report.pairs


def test_pairs_are_counted_whoever_answered(ledger: Ledger) -> None:
    ledger.paired(
        [
            Pair("a", said("champion", Label.NEGATIVE), said("challenger", Label.NEUTRAL)),
            Pair("b", said("challenger", Label.NEUTRAL), said("champion", Label.NEGATIVE)),
            Pair("c", said("champion", Label.POSITIVE), said("challenger", Label.POSITIVE)),
        ]
    )
    assert ledger.report(0).pairs == {
        ("challenger", "champion"): {("neutral", "negative"): 2, ("positive", "positive"): 1}
    }

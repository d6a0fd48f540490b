"""Results of a serving benchmark that never ran: every figure is made up."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from app.adapters.benchmarks import Benchmark, Compared, Conditions, Measured, Side
from app.core.significance import Interval

MADE_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
HOSTILE = '<img src=x onerror="window.hacked=1"> | **bold**'


def measured(scenario: str, side: str, callers: int, rate: float, **changes: Any) -> Measured:
    """A side in a scenario."""
    wait = 1000.0 * callers / rate
    given: dict[str, Any] = {"texts_per_request": 1, "requests": 900, "p50_ms": wait, "p95_ms": 2 * wait}
    return Measured(
        scenario=scenario, side=side, callers=callers, rate=rate, **{**given, "p99_ms": 3 * wait, **changes}
    )


def some_benchmark(**changes: Any) -> Benchmark:
    """A small one with a kept target, a missed one, a failure, and a side that was left out."""
    found = Benchmark(
        made_at=MADE_AT,
        model="made-up-0",
        conditions=Conditions(
            commit="unknown",
            hardware="2 CPUs",
            threads=2,
            pairs=7,
            seconds=3.0,
            texts="2,048 different texts of nothing",
            price_per_hour=0.1,
            load=(0.5, 2.5),
        ),
        scenarios={"batch": "256 texts a request, one caller", "single-1": "one text a request, 1 caller"},
        sides=(
            Side(name="eventpulse", title="EventPulse", kind="http", backend="onnx-int8", memory_mb=900.0),
            Side(name="fastapi-onnx", title="FastAPI", kind="http", differs=0.001, agrees=0.998, cost_batch=0.0625),
            Side(name="raw-best", title="ONNX Runtime", kind="process", macro_recall=0.7125, startup_s=0.8),
        ),
        measured=(
            measured("batch", "eventpulse", 1, 1234.0, texts_per_request=256),
            measured("single-1", "eventpulse", 1, 100.0),
            measured("single-1", "fastapi-onnx", 1, 80.0, failures={"HTTP 503": 2, "no answer: OSError": 1}),
            measured("single-8", "eventpulse", 8, 200.0),
            measured("single-8", "fastapi-onnx", 8, 90.0),
        ),
        compared=(
            Compared(
                scenario="batch",
                side="eventpulse",
                other="raw-best",
                measure="rate",
                ratio=Interval(0.97, 0.96, 0.98),
                pairs=7,
                target=0.95,
            ),
            Compared(
                scenario="single-1",
                side="eventpulse",
                other="fastapi-onnx",
                measure="p50",
                ratio=Interval(1.07, 1.02, 1.13),
                pairs=7,
                target=1.1,
                at_most=True,
            ),
        ),
        left_out={"openvino": "openvino is not installed"},
        hop_ms=Interval(1.5, 1.25, 1.75),
        repeats_identical=True,
    )
    return found.model_copy(update=changes)

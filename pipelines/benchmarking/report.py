"""The results as Markdown: what was promised and what came, then every figure, then the conditions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from app.adapters.benchmarks import Benchmark, Compared, Measured, Side
from app.core.significance import Interval
from pipelines.markdown import NONE, table

REPORT = "results.md"


def report(found: Benchmark, pictures: Sequence[tuple[str, str]] = ()) -> str:
    """The whole report; `pictures` are (file, caption)."""
    lines = ["# Serving benchmark", "", *_conditions(found), "## EventPulse beside other ways to serve the model", ""]
    lines += [
        "The median of the paired ratios with its bootstrap 95 % interval; a target is kept when the whole interval",
        "keeps it. Above 1 is better, but for the p50 latency, where below 1 is.",
        "",
        *table(["scenario", "beside", "measure", "ratio", "target", "kept"], map(_compared(found), found.compared)),
    ]
    lines += [line for file, caption in pictures for line in (f"![{caption}]({file})", "")]
    lines += ["## Rates and latencies", "", "Medians over the turns.", ""]
    head = ["scenario", "side", "texts/s", "p50 ms", "p95 ms", "p99 ms", "requests", "failed"]
    lines += table(head, map(_measured(found), found.measured))
    lines += ["## Memory, start, cost, quality", "", *_sides(found), *_notes(found)]
    return "\n".join(lines)


def interval(found: Interval, digits: int = 2) -> str:
    """A figure with its interval: 1.24 (1.20 to 1.29)."""
    return f"{found.value:.{digits}f} ({found.low:.{digits}f} to {found.high:.{digits}f})"


def target(each: Compared) -> str:
    """A target in signs."""
    return NONE if each.target is None else f"{'≤' if each.at_most else '≥'} {each.target:g}"


def kept(each: Compared) -> str:
    """Whether the target is."""
    return {None: NONE, True: "yes", False: "**no**"}[each.holds]


def _conditions(found: Benchmark) -> list[str]:
    about = found.conditions
    lines = [
        f"Made {found.made_at:%Y-%m-%d %H:%M} UTC at commit `{about.commit}` on {about.hardware}; model {found.model},",
        f"{about.threads} threads a side. {about.pairs} pairs of turns of at least {about.seconds:g} s, the sides",
        f"alternating, all warm; {about.texts}. Load average {about.load[0]:.1f} before,",
        f"{about.load[1]:.1f} at most while it ran; the load generator shares the cores with what it measures.",
        "",
    ]
    if about.quick:
        lines += ["**A quick look, with few and short turns: no figure to quote.**", ""]
    if found.failures:
        lines += [f"**{found.failures} requests failed; the table names them.**", ""]
    return lines


def _compared(found: Benchmark) -> Callable[[Compared], list[str]]:
    def row(each: Compared) -> list[str]:
        measure = "p50 latency" if each.measure == "p50" else "texts/s"
        words = found.scenarios.get(each.scenario, each.scenario)
        other = "all texts unique" if each.other in found.scenarios else found.title(each.other)
        return [words, other, measure, interval(each.ratio), target(each), kept(each)]

    return row


def _measured(found: Benchmark) -> Callable[[Measured], list[str]]:
    def row(each: Measured) -> list[str]:
        failed = ", ".join(f"{number} x {kind}" for kind, number in each.failures.items()) or "0"
        times = [f"{value:,.1f}" for value in (each.p50_ms, each.p95_ms, each.p99_ms)]
        words = found.scenarios.get(each.scenario, each.scenario)
        return [words, found.title(each.side), f"{each.rate:,.0f}", *times, f"{each.requests:,}", failed]

    return row


def _sides(found: Benchmark) -> list[str]:
    price = found.conditions.price_per_hour
    head = ["side", "backend", "memory MB", "start s", "per million, batches", "per million, one by one"]
    head += ["macro recall", "largest difference", "same label"]
    return [
        *table(head, (_side(each) for each in found.sides)),
        f"Memory is proportional (PSS), warm; in brackets what is on the way of a message alone. Costs at {price:g} an",
        "hour for the machine, from the rates above (one by one: with the most callers). The difference is the largest",
        f"of any probability to EventPulse's. Macro recall on {found.conditions.labelled or 'nothing: give --data'}.",
        "",
    ]


def _side(each: Side) -> list[str]:
    memory = NONE if each.memory_mb is None else f"{each.memory_mb:,.0f}"
    if each.core_memory_mb:
        memory += f" ({each.core_memory_mb:,.0f})"
    return [
        each.title,
        each.backend,
        memory,
        _or_none(each.startup_s, "{:.1f}"),
        _or_none(each.cost_batch, "{:.4f}"),
        _or_none(each.cost_single, "{:.4f}"),
        _or_none(each.macro_recall, "{:.3f}"),
        _or_none(each.differs, "{:.4f}"),
        NONE if each.agrees is None else f"{100 * each.agrees:.1f} %",
    ]


def _notes(found: Benchmark) -> list[str]:
    lines = []
    if found.hop_ms is not None:
        said = interval(found.hop_ms, 1)
        lines += [f"A lone caller waits {said} ms longer over HTTP than for the same model in process, at the median."]
    if found.repeats_identical is not None:
        lines += [f"Asked again, a text got {'the very same' if found.repeats_identical else '**other**'} scores."]
    lines += [f"Left out: {found.title(side)}: {reason}." for side, reason in found.left_out.items()]
    return [part for line in lines for part in (line, "")]


def _or_none(value: float | None, form: str) -> str:
    return NONE if value is None else form.format(value)

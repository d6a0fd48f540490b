"""What a promotion says of itself: a line while it runs, JSON and Markdown at its end."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.core.arm_counts import Counts, Observed, agreement
from app.core.canary import Step
from app.core.promotion import Judgement, Verdict
from pipelines import markdown

REPORT = "promotion"


@dataclass(frozen=True, slots=True)
class Row:
    """What a step showed, up to the last look at it."""

    step: Step
    seconds: float
    seen: Observed
    judgement: Judgement


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended. `undone_s` is the time from the decision to the champion's having all traffic again."""

    promoted: bool
    reason: str
    rows: tuple[Row, ...]
    seconds: float
    undone_s: float | None = None


def progress(row: Row) -> str:
    """A look in a line."""
    champion, challenger = row.seen.champion, row.seen.challenger
    line = (
        f"{row.step.name} after {row.seconds:.0f} s: {challenger.requests:,} requests, {challenger.failed:,} failed, "
        f"p95 {_ms(challenger.p95_s)} (champion {champion.requests:,}, {champion.failed:,}, {_ms(champion.p95_s)}), "
        f"{sum(row.seen.pairs.values()):,} pairs: {row.judgement.verdict}"
    )
    return f"{line}; {'; '.join(row.judgement.reasons)}" if row.judgement.verdict is Verdict.WAIT else line


def as_json(outcome: Outcome) -> dict[str, Any]:
    """The report for programs."""
    return {
        "promoted": outcome.promoted,
        "reason": outcome.reason,
        "seconds": round(outcome.seconds, 1),
        "undone_s": None if outcome.undone_s is None else round(outcome.undone_s, 2),
        "steps": [_row_json(row) for row in outcome.rows],
    }


def as_markdown(outcome: Outcome) -> str:
    """The report for people."""
    head = ["step", "s", "arm", "requests", "failed", "p50", "p95", "same label", "decision"]
    rows = []
    for row in outcome.rows:
        found = agreement(row.seen.pairs)
        same = f"{found.value:.1%} ({found.low:.1%} to {found.high:.1%})" if found else markdown.NONE
        of = f"{same} of {sum(row.seen.pairs.values()):,}" if found else same
        for name, arm in (("challenger", row.seen.challenger), ("champion", row.seen.champion)):
            ours = name == "challenger"
            rows.append(
                [
                    row.step.name if ours else "",
                    f"{row.seconds:.0f}" if ours else "",
                    name,
                    f"{arm.requests:,}",
                    f"{arm.failed:,}",
                    _ms(arm.p50_s),
                    _ms(arm.p95_s),
                    of if ours else "",
                    str(row.judgement.verdict) if ours else "",
                ]
            )
    lines = [
        f"# Promotion: {'promoted' if outcome.promoted else 'rolled back'}",
        "",
        f"After {outcome.seconds:.0f} s: {outcome.reason}.",
        "",
        *markdown.table(head, rows),
        "Requests, failures, times and labels are those of the step; in brackets the exact 99.9 % interval.",
        "",
    ]
    for row in outcome.rows:
        lines += [f"## {row.step.name}", ""]
        lines += [f"- {check.name}, {check.state}: {check.text}" for check in row.judgement.checks]
        lines.append("")
    return "\n".join(lines)


def write_report(outcome: Outcome, folder: Path) -> Path:
    """Write both; gives the path of the one for people."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{REPORT}.json").write_text(json.dumps(as_json(outcome), indent=2) + "\n")
    path = folder / f"{REPORT}.md"
    path.write_text(as_markdown(outcome))
    return path


def _row_json(row: Row) -> dict[str, Any]:
    found = agreement(row.seen.pairs)
    return {
        "step": row.step.name,
        "routing": row.step.routing,
        "seconds": round(row.seconds, 1),
        "champion": _counts_json(row.seen.champion),
        "challenger": _counts_json(row.seen.challenger),
        "pairs": sum(row.seen.pairs.values()),
        "agreement": None if found is None else [round(each, 4) for each in (found.value, found.low, found.high)],
        "verdict": str(row.judgement.verdict),
        "checks": [{"name": each.name, "state": str(each.state), "text": each.text} for each in row.judgement.checks],
    }


def _counts_json(counts: Counts) -> dict[str, Any]:
    timed = counts.requests > 0
    return {
        "requests": counts.requests,
        "texts": counts.texts,
        "failed": counts.failed,
        "skipped": counts.skipped,
        "p50_s": round(counts.p50_s, 5) if timed else None,
        "p95_s": round(counts.p95_s, 5) if timed else None,
    }


def short(message: str) -> str:
    """Of a message with a traceback, what failed and why: its first line and its last."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return " ... ".join(dict.fromkeys([*lines[:1], *lines[-1:]]))


def _ms(seconds: float) -> str:
    return markdown.NONE if math.isnan(seconds) else f"{seconds * 1000:.0f} ms"

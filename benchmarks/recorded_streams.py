"""What does the detector say of recorded events? Quiet ones, ones whose collection began late, and cascades of copies.

    python -m benchmarks.recorded_streams --data DIR [--labels DIR]

DIR holds events/*.parquet. The recordings are fed as the product feeds them: labels of its own model, distinct messages
for the share, gaps by its own rule, the detector with its default rule from the first message on. Prints the incidents
of each, and whether what is to be expected holds, as one line of JSON; exits with 1 when something does not. Takes a
few seconds once the messages are labelled, some minutes before that.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, TypeAlias

import pandas as pd

from app.core.history import STEP, Foreseen, StepCount, step_of, ticks
from app.core.incidents import Incident, Kind
from app.core.watch import Rule, replay
from benchmarks.event_streams import counts, labelled, say

QUIET: Final = ("apple-2011-10", "google-2011-10", "microsoft-2011-10", "twitter-2011-10")
ELECTION, AIRLINES, DEBATE, APPLE = "us-election-2024-windows", "us-airlines-2015", "gop-debate-2015", "apple-2014-12"

# When recorders were switched on, and cascades of copies began, by the notes that come with the data.
WINDOWS_BEGIN: Final = tuple(
    datetime(2024, 9, day, hour, minute, tzinfo=UTC) for day, hour, minute in ((11, 20, 17), (17, 19, 4), (20, 14, 58))
)
AMERICAN_BEGINS: Final = datetime(2015, 2, 22, 20, tzinfo=UTC)
DEBATE_BEGINS: Final = datetime(2015, 8, 7, 1, 50, tzinfo=UTC)
DEBATE_AGAIN: Final = datetime(2015, 8, 7, 15, tzinfo=UTC)
CASCADES: Final = (datetime(2014, 12, 4, 20, 30, tzinfo=UTC), datetime(2014, 12, 9, 1, 15, tzinfo=UTC))
_SOON: Final = timedelta(hours=1)

Recording: TypeAlias = Mapping[str, pd.DataFrame]
"""Messages by source."""


def incidents_of(recording: Recording) -> list[Incident]:
    """What the detector opens, as it is in the end."""
    stored = {
        source: {
            step_of(start.to_pydatetime()): StepCount(total, scored, negative)
            for start, total, scored, negative in counts(messages).itertuples(name=None)
            if total
        }
        for source, messages in recording.items()
    }
    ranges = {source: (min(steps), max(steps) + 1) for source, steps in stored.items()}
    return replay(ticks(stored, ranges, Foreseen()), Rule(), step=STEP)


def recordings(data: Path, model: Path, kept: Path) -> dict[str, Recording]:
    """Those that something is expected of.

    American is an event of its own, a second source of the event of all six, and a part of their one source.
    """
    found = {name: {"x": labelled(data, name, model, kept)} for name in (*QUIET, ELECTION, AIRLINES, DEBATE, APPLE)}
    everyone = found[AIRLINES]["x"]
    american = everyone["text"].str.contains("@americanair", case=False)
    return {
        **found,
        "american": {"x": everyone[american]},
        "five airlines": {"x": everyone[~american]},
        "five airlines and american": {"x": everyone[~american], "american": everyone[american]},
    }


def switched_on(found: Sequence[Incident], begins: datetime) -> bool:
    """Whether what opened within an hour of a beginning is a source that was switched on, and nothing else."""
    there = _soon_after(found, begins)
    return bool(there) and all(each.kinds == (Kind.SWITCHED_ON,) for each in there)


def volume_alone(found: Sequence[Incident], begins: datetime) -> bool:
    """Whether what opened within an hour of a beginning is a volume and no negative incident."""
    there = _soon_after(found, begins)
    return bool(there) and all(each.kinds == (Kind.VOLUME,) for each in there)


def _soon_after(found: Sequence[Incident], begins: datetime) -> list[Incident]:
    return [each for each in found if begins - STEP <= each.opened_at <= begins + _SOON]


def verdicts(found: Mapping[str, Sequence[Incident]]) -> dict[str, bool]:
    """What is to be expected, and whether it holds."""
    inside = [each for each in found[ELECTION] if not any(switched_on([each], begins) for begins in WINDOWS_BEGIN)]
    return {
        **{f"{name}: nothing": not found[name] for name in QUIET},
        f"{ELECTION}: nothing inside the windows": not inside,
        "american: switched on": switched_on(found["american"], AMERICAN_BEGINS),
        f"{AIRLINES}, american among six in one source: switched on": switched_on(found[AIRLINES], AMERICAN_BEGINS),
        "five airlines and american: switched on": switched_on(found["five airlines and american"], AMERICAN_BEGINS),
        f"{DEBATE}: switched on": switched_on(found[DEBATE], DEBATE_BEGINS),
        f"{DEBATE}: switched on again": switched_on(found[DEBATE], DEBATE_AGAIN),
        **{f"{APPLE}: volume alone on {begins:%-d %B}": volume_alone(found[APPLE], begins) for begins in CASCADES},
    }


def said_of(incident: Incident) -> dict[str, object]:
    """One incident for people."""
    return {
        "kinds": [kind.value for kind in incident.kinds],
        "severity": incident.severity.name.lower(),
        "began": f"{incident.started_at:%Y-%m-%d %H:%M}",
        "opened": f"{incident.opened_at:%Y-%m-%d %H:%M}",
        "ended": None if incident.ended_at is None else f"{incident.ended_at:%Y-%m-%d %H:%M}",
        "size": round(incident.size),
        "reopened": incident.reopened,
        "evidence": [
            f"{signal.source} {signal.kind.value}: {signal.observed:.3g} for {signal.expected:.3g}"
            for signal in incident.evidence
        ],
    }


def main() -> int:
    """Run the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds events/*.parquet")
    parser.add_argument("--model", type=Path, default=Path("models/default"), help="the model that labels the messages")
    parser.add_argument("--labels", type=Path, default=Path(".labels"), help="folder to keep the labels in")
    options = parser.parse_args()
    found = {}
    for name, recording in recordings(options.data, options.model, options.labels).items():
        say(name)
        found[name] = incidents_of(recording)
    held = verdicts(found)
    incidents = {name: [said_of(incident) for incident in each] for name, each in found.items()}
    print(json.dumps({"incidents": incidents, "holds": held}))
    for clause, holds in held.items():
        if not holds:
            print(f"does not hold: {clause}", file=sys.stderr)
    return int(not all(held.values()))


if __name__ == "__main__":
    raise SystemExit(main())

"""The spike detector on the Numenta Anomaly Benchmark, real tweets: ours and all stored peers with one scorer.

    python -m benchmarks.nab --data DIR                  # the five tuning series: for choosing parameters
    python -m benchmarks.nab --data DIR --held-out       # all ten: only with parameters that are frozen
    python -m benchmarks.nab --data DIR --rows FILE      # also write our detection of every row as CSV

DIR holds data/realTweets/*.csv, labels/, config/ and results/ of NAB v1.1 (Lavin and Ahmad 2015, arXiv 1510.03336). The
detector is `app.core.watch.Watch` with the default rule for counts alone, fed row by row as in the product; a row is
detected when an incident opens in it. Prints one line of JSON; exits with 1 when the scorer does not reproduce the
stored scores of the peers, or a target is missed. Takes about ten seconds.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import pandas as pd

from app.core.bursts import Tick
from app.core.incidents import Change, Kind
from app.core.watch import Rule, Watch

TUNE: Final = ("AAPL", "CRM", "FB", "IBM", "PFE")
HELD_OUT: Final = ("AMZN", "CVS", "GOOG", "KO", "UPS")
LEAST_HELD_OUT: Final = 66.5
MOST_US: Final = 20.0
MOST_BYTES: Final = 1024
_ROUNDED: Final = 0.011  # between two figures with two decimals
PROFILES: Final = ("standard", "reward_low_FP_rate", "reward_low_FN_rate")


class Profile(NamedTuple):
    """What a detected window, a missed one and a detection outside are worth."""

    tp: float
    fn: float
    fp: float


@dataclass(frozen=True)
class Series:
    """One file: its rows, and the first and last row of each labelled window."""

    name: str
    times: list[datetime]
    values: list[int]
    windows: list[tuple[int, int]]


class Points(NamedTuple):
    """What the detections of a series are worth; `windows` are those hit, `outside` the false-positive rows."""

    sum: float
    windows: int
    outside: int


def read(data: Path, name: str) -> Series:
    """One of the ten files."""
    table = pd.read_csv(data / "data" / "realTweets" / f"Twitter_volume_{name}.csv", parse_dates=["timestamp"])
    windows = json.loads((data / "labels" / "combined_windows_realTweets.json").read_text())
    at = {time: row for row, time in enumerate(table["timestamp"])}
    return Series(
        name,
        [each.to_pydatetime().replace(tzinfo=UTC) for each in table["timestamp"]],
        [int(value) for value in table["value"]],
        [
            (at[pd.Timestamp(first)], at[pd.Timestamp(last)])
            for first, last in windows[f"realTweets/Twitter_volume_{name}.csv"]
        ],
    )


def read_profiles(data: Path) -> dict[str, Profile]:
    """The three scoring profiles."""
    said = json.loads((data / "config" / "profiles.json").read_text())
    costs = {name: said[name]["CostMatrix"] for name in PROFILES}
    return {name: Profile(cost["tpWeight"], cost["fnWeight"], cost["fpWeight"]) for name, cost in costs.items()}


def points(series: Series, detected: Sequence[int], profile: Profile) -> Points:
    """NAB's rule: a window earns its best row, the earlier the better; each row outside costs, the farther the more."""
    probation = min(math.floor(0.15 * len(series.values)), 750)
    best: dict[int, float] = {}
    outside, lost = 0, 0.0
    for row in detected:
        if row < probation:
            continue
        number, left = _place(series.windows, row)
        if number is not None:
            first, last = series.windows[number]
            earned = profile.tp * _sigma(-(last - row + 1) / (last - first + 1)) / _sigma(-1.0)
            best[number] = max(best.get(number, -math.inf), earned)
        else:
            outside += 1
            lost += profile.fp * (-1.0 if left is None else _sigma((row - left[1]) / (left[1] - left[0])))
    earned = sum(best.values()) - profile.fn * (len(series.windows) - len(best))
    return Points(earned + lost, len(best), outside)


def _place(windows: Sequence[tuple[int, int]], row: int) -> tuple[int | None, tuple[int, int] | None]:
    """The window that a row is in, if any, and the last one that it has left."""
    inside = next((number for number, (first, last) in enumerate(windows) if first <= row <= last), None)
    left = max((window for window in windows if window[1] < row), default=None)
    return inside, left


def _sigma(place: float) -> float:
    return -1.0 if place > 3 else 2 / (1 + math.exp(5 * place)) - 1


def normalised(series: Sequence[Series], each: Sequence[Points], profile: Profile) -> float:
    """100 for every window at its first row and nothing else, 0 for no detection at all."""
    windows = sum(len(one.windows) for one in series)
    nothing, perfect = -profile.fn * windows, profile.tp * windows
    return 100 * (sum(one.sum for one in each) - nothing) / (perfect - nothing)


class Run(NamedTuple):
    """Our detections in a series, what a row cost, and how large the state was at its largest."""

    detected: list[int]
    seconds: float
    most_bytes: int


def detect(series: Series) -> Run:
    """Feed the rows in order, as the product does."""
    watch = Watch(Rule(kinds=(Kind.VOLUME,)))
    detected, spent, largest = [], 0.0, 0
    for row, (start, value) in enumerate(zip(series.times, series.values, strict=True)):
        began = time.process_time()
        updates = watch.observe({"x": Tick(start, value)})
        spent += time.process_time() - began
        if any(update.change is Change.OPENED for update in updates):
            detected.append(row)
        if row % 1_000 == 0:
            state = watch.state()["series"]
            largest = max(largest, len(json.dumps(state, separators=(",", ":"))))
    return Run(detected, spent, largest)


def scores(series: Sequence[Series], detected: Mapping[str, Sequence[int]], profile: Profile) -> dict[str, float | int]:
    """The score of a detector over the series, and over each half where all of it is there."""
    each = {one.name: points(one, detected[one.name], profile) for one in series}
    result: dict[str, float | int] = {}
    for part, names in (("tune", TUNE), ("held_out", HELD_OUT), ("total", TUNE + HELD_OUT)):
        if set(names) <= set(each):
            chosen = [one for one in series if one.name in names]
            result[part] = round(normalised(chosen, [each[one.name] for one in chosen], profile), 2)
    result["windows"] = sum(one.windows for one in each.values())
    result["outside"] = sum(one.outside for one in each.values())
    return result


def peers(data: Path, series: Sequence[Series], profiles: Mapping[str, Profile]) -> tuple[dict[str, object], list[str]]:
    """The scores of all stored detectors at their published thresholds, and those that differ from the stored ones."""
    said = pd.read_csv(data / "results" / "peers_realTweets_anomaly_scores.csv.gz")
    thresholds = json.loads((data / "config" / "thresholds.json").read_text())
    stored = json.loads((data / "results" / "peers_realTweets_scores.json").read_text())["detectors"]
    by_file = {one.name: said[said["file"] == one.name].reset_index(drop=True) for one in series}
    table: dict[str, object] = {}
    differ = []
    for peer, known in stored.items():
        if peer not in said.columns:
            continue
        found = {}
        for name, profile in profiles.items():
            threshold = thresholds[peer][name]["threshold"]
            detected = {
                file: [int(row) for row in rows.index[rows[peer] >= threshold]] for file, rows in by_file.items()
            }
            found[name] = scores(series, detected, profile)
            published = known[name]["published_sum_normalised"]
            if published is not None and abs(found[name]["total"] - published) > _ROUNDED:
                differ.append(f"{peer} {name}: {found[name]['total']} for {published}")
        table[peer] = {**found["standard"], **{name: found[name]["total"] for name in PROFILES[1:]}}
    return table, differ


def write_rows(path: Path, series: Sequence[Series], detected: Mapping[str, Sequence[int]]) -> None:
    """One line a row: file, timestamp, value, and whether an incident opened."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "timestamp", "value", "detected"))
        for one in series:
            here = set(detected[one.name])
            for row, (at, value) in enumerate(zip(one.times, one.values, strict=True)):
                writer.writerow((one.name, f"{at:%Y-%m-%d %H:%M:%S}", value, int(row in here)))


def main() -> int:
    """Run the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the benchmark's files")
    parser.add_argument("--held-out", action="store_true", help="also the five held-out series; write each look down")
    parser.add_argument("--rows", type=Path, help="CSV file for our detection of every row")
    options = parser.parse_args()
    everything = [read(options.data, name) for name in TUNE + HELD_OUT]
    profiles = read_profiles(options.data)
    table, differ = peers(options.data, everything, profiles)
    watched = everything if options.held_out else everything[: len(TUNE)]
    runs = {one.name: detect(one) for one in watched}
    detected = {name: run.detected for name, run in runs.items()}
    ours = {name: scores(watched, detected, profile) for name, profile in profiles.items()}
    if options.rows:
        write_rows(options.rows, watched, detected)
    us_a_row = 1e6 * sum(run.seconds for run in runs.values()) / sum(len(one.values) for one in watched)
    most_bytes = max(run.most_bytes for run in runs.values())
    result = {
        "ours": {**ours["standard"], **{name: ours[name].get("total") for name in PROFILES[1:]}},
        "each": {
            one.name: {
                "score": round(
                    normalised([one], [points(one, detected[one.name], profiles["standard"])], profiles["standard"]), 2
                ),
                "windows": len(one.windows),
                "opened": len(detected[one.name]),
            }
            for one in watched
        },
        "us_a_row": round(us_a_row, 2),
        "state_bytes": most_bytes,
        "peers": table,
        "peers_that_differ": differ,
        "rows": sum(len(one.values) for one in watched),
        "python": platform.python_version(),
        "load_average": round(os.getloadavg()[0], 2),
    }
    print(json.dumps(result))
    missed = [f"the scorer differs from the stored scores: {line}" for line in differ]
    if us_a_row > MOST_US:
        missed.append(f"a row takes {us_a_row:.1f} us of {MOST_US}")
    if most_bytes > MOST_BYTES:
        missed.append(f"the state takes {most_bytes} bytes of {MOST_BYTES}")
    if options.held_out and ours["standard"]["held_out"] < LEAST_HELD_OUT:
        missed.append(f"held out: {ours['standard']['held_out']} of {LEAST_HELD_OUT}")
    for line in missed:
        print(line, file=sys.stderr)
    return int(bool(missed))


if __name__ == "__main__":
    raise SystemExit(main())

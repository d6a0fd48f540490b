"""The serving benchmark: EventPulse beside other ways to serve the same model, on this machine, in one run.

    python -m pipelines.benchmark --data /path/to/data                 # brings EventPulse up by itself
    python -m pipelines.benchmark --url http://127.0.0.1:8000 --quick  # the one that runs; a short look

As a job: `ray job submit --working-dir . -- python -m pipelines.benchmark --url http://127.0.0.1:8000`. Writes
results.json, results.md and two pictures into <state>/benchmarks/<time>, where the dashboard finds the newest. The
method is in docs/serving-benchmark.md. Exit status 0: every target is kept, 2: one is not, 1: an error.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from app.adapters.artifact import verify
from app.adapters.benchmarks import Benchmark, Conditions, folder_for, write_results
from app.core.errors import AppError
from app.settings import Settings
from pipelines.benchmarking import eventpulse
from pipelines.benchmarking.children import ROOT
from pipelines.benchmarking.pictures import write_pictures
from pipelines.benchmarking.report import REPORT, report
from pipelines.benchmarking.runner import Plan, Runner
from pipelines.benchmarking.scenarios import IN_PROCESS, PEERS, TITLES, Scenario, scenarios
from pipelines.benchmarking.sides import Generator, LeftOut, ProcessSide, Side, peer
from pipelines.benchmarking.stream import FIRST, TURN, Starts
from pipelines.benchmarking.texts import base_texts, labelled_texts
from pipelines.tracking import code_version, environment

TEXTS = 2048
_QUICK_TEXTS = 256
_QUICK = {"pairs": 2, "seconds": 0.5}
_FULL = {"pairs": 7, "seconds": 3.0}
_COMPARED = 256
_BLOCKS = 40
NOT_KEPT = 2


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line, as the module docstring shows it."""
    parser = argparse.ArgumentParser(
        prog="python -m pipelines.benchmark", description="Compare ways to serve the model."
    )
    parser.add_argument("--url", help="an EventPulse that runs on this machine; default: bring one up")
    parser.add_argument("--texts", type=Path, help="file of texts; default: those of --data, or else the sample")
    parser.add_argument("--data", type=Path, help="folder of the data sets, for texts and quality")
    parser.add_argument("--out", type=Path, help="folder of the results; default: one in the state folder")
    parser.add_argument("--pairs", type=int, help=f"turns of each side; default {_FULL['pairs']}")
    parser.add_argument("--seconds", type=float, help=f"least length of a turn; default {_FULL['seconds']:g}")
    parser.add_argument("--price-per-hour", type=float, default=0.10, help="of the machine, in any currency")
    parser.add_argument("--quick", action="store_true", help="a short look: few texts, few and short turns")
    options = parser.parse_args(arguments)
    for name, value in (_QUICK if options.quick else _FULL).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
        if getattr(options, name) <= 0:
            parser.error(f"--{name} must be above 0")
    return options


def say(text: str) -> None:
    """A line for the person who waits."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


class Lineup:
    """The sides that are up, and why others are not. Everything started is ended by the stack."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self.sides: dict[str, Side] = {}
        self.left_out: dict[str, str] = {}

    def add(self, name: str, make: Callable[[], Side]) -> None:
        """Start a side; one that can't take part is noted with the reason."""
        say(f"starting {TITLES[name]} ...")
        try:
            side = make()
        except LeftOut as error:
            self.left_out[name] = str(error)
            say(f"  left out: {error}")
            return
        self._stack.callback(side.close)
        self.sides[name] = side


def lineup(
    stack: contextlib.ExitStack, options: argparse.Namespace, settings: Settings, base: Sequence[str], logs: Path
) -> Lineup:
    """Start all of them, EventPulse first: it is what the others are compared with. Raises ConfigError without it."""
    model, threads = settings.model_dir.resolve(), settings.model_threads
    generator = Generator(base, logs)
    stack.callback(generator.close)
    made = Lineup(stack)

    def ours() -> Side:
        if options.url:
            return eventpulse.running(options.url, generator, settings)
        return eventpulse.started(generator, settings, logs)

    made.add(eventpulse.NAME, ours)
    for name, side in PEERS.items():
        made.add(side, partial(peer, name, generator, model, threads, logs))
    for name in IN_PROCESS:
        made.add(name, partial(ProcessSide, name, base, model, threads, logs))
    return made


def measure(options: argparse.Namespace, settings: Settings, made_at: datetime) -> Benchmark:
    """The whole run. Raises AppError."""
    manifest = verify(settings.model_dir)
    base, words = base_texts(options.texts, options.data, _QUICK_TEXTS if options.quick else TEXTS)
    labelled = labelled_texts(options.data, _QUICK_TEXTS if options.quick else None)
    machine = environment()
    with contextlib.ExitStack() as stack:
        logs = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="eventpulse-benchmark-")))
        made = lineup(stack, options, settings, base, logs)
        starts = Starts(FIRST + TURN * random.SystemRandom().randrange(_BLOCKS) + random.SystemRandom().randrange(TURN))
        runner = Runner(made.sides, Plan(options.pairs, options.seconds, len(base)), starts, say)
        chosen: tuple[Scenario, ...] = scenarios(list(made.sides))
        runner.run(chosen)
        compared_on = [f"{text} again" for text in base[:_COMPARED]]
        identical = runner.repeats_identical(compared_on)
        sides = runner.facts(options.price_per_hour, compared_on, labelled)
        return Benchmark(
            made_at=made_at,
            model=manifest.model,
            conditions=Conditions(
                commit=code_version(ROOT)["git.commit"],
                hardware=f"{machine['env.cpus']} CPUs, {machine['env.platform']}",
                threads=settings.model_threads,
                pairs=options.pairs,
                seconds=options.seconds,
                texts=words,
                labelled=labelled.words,
                price_per_hour=options.price_per_hour,
                load=runner.loads,
                quick=options.quick,
            ),
            scenarios={scenario.key: scenario.words for scenario in chosen},
            sides=sides,
            measured=runner.measured(chosen),
            compared=runner.compared(),
            left_out=made.left_out,
            hop_ms=runner.hop_ms(),
            repeats_identical=identical,
        )


def main(arguments: Sequence[str]) -> int:
    """The command line; gives the exit status."""
    options = parse_arguments(arguments)
    for each in (signal.SIGINT, signal.SIGTERM):  # a job that is stopped ends what it has started, too
        signal.signal(each, signal.default_int_handler)
    settings = Settings()
    made_at = datetime.now(UTC)
    begun = time.monotonic()
    try:
        found = measure(options, settings, made_at)
    except AppError as error:
        sys.stderr.write(f"benchmark: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("benchmark: stopped; nothing was written\n")
        return 1
    folder = options.out or folder_for(settings.state_dir, made_at)
    path = write_results(folder, found)
    (folder / REPORT).write_text(text := report(found, write_pictures(found, folder)), encoding="utf-8")
    say(f"\n{text}\n{path}, after {time.monotonic() - begun:.0f} s")
    return 0 if all(each.holds is not False for each in found.compared) and not found.failures else NOT_KEPT


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

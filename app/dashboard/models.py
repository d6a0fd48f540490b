"""The Models page: what serves and how good it is, and the newest benchmark of the serving. Builder functions only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import gradio as gr
from pydantic import ValidationError

from app.adapters.artifact import MANIFEST, Manifest
from app.adapters.benchmarks import Benchmark, Compared, Measured, Side, newest
from app.adapters.confusion import LabelledSet, read_confusion
from app.core.errors import ModelNotFound
from app.core.significance import Interval
from app.dashboard.headline import empty
from app.dashboard.markup import day, figure, isolated, notice, safe
from app.dashboard.model_quality import quality
from app.dashboard.shell import html, opened
from app.dashboard.tables import table

NONE = "–"
_WORDS = {
    "macro_recall": "macro recall",
    "macro_f1": "macro F1",
    "accuracy": "accuracy",
    "ece": "calibration error",
}
_PARITY: Mapping[str, tuple[str, Callable[[float], str]]] = {
    "agreement": ("Same label", lambda value: f"{100 * value:.1f} % of texts"),
    "recall_loss": ("Macro recall", lambda value: f"{abs(value):.2f} points {'lower' if value >= 0 else 'higher'}"),
    "speed": ("Speed", lambda value: f"{value:.1f} times as fast"),
}
_LANGUAGES = {"en": "English"}
_READ_AS = (
    '<p class="ep-note">With 95 % intervals, which are the sampling error alone. Guessing finds a third of each label; '
    "on texts unlike these sets it may be worse.</p>"
)
_COMMAND = "python -m pipelines.benchmark --url http://127.0.0.1:8000"


@dataclass(frozen=True, slots=True)
class Models:
    """What the page rests on: the folder of the model that is configured to serve, and the state folder.

    `arms` is what is told of the versions that score the messages, as HTML; without it that is nothing.
    """

    model_dir: Path
    state_dir: Path
    arms: Callable[[], str] = str

    def html(self) -> str:
        """The page as it is now."""
        return _model(self.model_dir) + self.arms() + benchmark(newest(self.state_dir))


def add_page(blocks: gr.Blocks, models: Models) -> None:
    """Add the page to the application, at /models; it is made anew whenever it is opened."""
    with opened(blocks, "Models"):
        shown = html(empty("Loading …", "Reading what the model says of itself."), elem_id="ep-models")
        blocks.load(models.html, None, shown, show_progress="hidden", api_visibility="private")


def _model(folder: Path) -> str:
    path = folder / MANIFEST
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        step = "set <code>EVENTPULSE_MODEL_DIR</code> to a model folder, then restart."
        said = f"{isolated(str(path))} can’t be read: {step}"
        return empty("No model.", said)
    try:
        known = read_confusion(folder)
    except ModelNotFound as error:
        return model(manifest) + notice("error", "Its quality by labelled set can’t be read.", isolated(f"{error}."))
    return model(manifest, known.sets if known else ())


def model(manifest: Manifest, sets: Sequence[LabelledSet] = ()) -> str:
    """What serves, by its manifest, and how good it is on labelled sets."""
    languages = ", ".join(_LANGUAGES.get(each, each) for each in manifest.languages)
    basis = [
        f"version {isolated(manifest.version)}",
        f"{manifest.precision} weights",
        f"{isolated(languages)}, up to {manifest.max_tokens} tokens a message",
    ]
    if made := manifest.provenance.get("made_at"):
        basis.append(f"made {isolated(made[:10])}")
    if base := manifest.provenance.get("base"):
        basis.append(f"fitted from {isolated(base)}")
    scores = table(
        "Scores of the model",
        ("Measured", "Score"),
        ((isolated(score_name(name)), f"{value:.3f}") for name, value in manifest.scores.items()),
    )
    known = [(words, form(manifest.parity[key])) for key, (words, form) in _PARITY.items() if key in manifest.parity]
    parity = table("The weights that serve beside full precision", ("Beside full precision", "Measured"), known)
    by_set = f'<section class="ep-bench"><h2>Quality</h2>{quality(sets)}{_READ_AS}</section>' if sets else ""
    return (
        f'<section class="ep-headline"><h1><strong>{isolated(manifest.name)}</strong> '
        '<span class="ep-rest">classifies the messages: negative, neutral or positive.</span></h1>'
        f'<p class="ep-basis">{_dotted(basis)}</p></section>{by_set}'
        f'<div class="ep-figures"><section><h2>{"Scores when it was made" if sets else "Quality"}</h2>{scores}'
        '<p class="ep-note">Macro recall is the mean of the recalls of the three labels; guessing gives 0.333.</p>'
        f"</section><section><h2>The weights that serve</h2>{parity or _none('The model folder does not say.')}"
        "</section></div>"
    )


def score_name(name: str) -> str:
    """A score of the manifest in words: validation_macro_recall is "Macro recall, validation"."""
    for key, words in _WORDS.items():
        if name == key or name.endswith(f"_{key}"):
            part = name.removesuffix(key).strip("_").replace("_", " ")
            return f"{words[0].upper()}{words[1:]}{f', {part}' if part else ''}"
    return name.replace("_", " ").capitalize()


def benchmark(found: Benchmark | None) -> str:
    """The newest benchmark, or how to run one."""
    if found is None:
        return (
            '<section class="ep-bench"><h2>Serving benchmark</h2>'
            + _none("No benchmark has been run yet.")
            + "<p>It compares this EventPulse with other ways to serve the same model, on this machine. "
            f"Where EventPulse is installed, run</p><pre><code>{safe(_COMMAND)}</code></pre>"
            "<p>while little else runs, then open this page again.</p></section>"
        )
    compared = table(
        "EventPulse beside other ways to serve the model",
        ("Scenario", "Beside", "Measure", "Ratio", "Target", "Kept"),
        (_compared(found, each) for each in found.compared),
    )
    rates = table(
        "Rates and latencies",
        ("Side", "Scenario", "Texts/s", "p50", "p95", "p99", "Failed"),
        (_measured(found, each) for each in found.measured),
    )
    sides = table(
        "Memory, start, cost and quality",
        ("Side", "Memory", "Start", "A million, batches", "A million, one by one", "Macro recall"),
        map(_side, found.sides),
    )
    return (
        f'<section class="ep-bench"><h2>Serving benchmark</h2>{_verdict(found)}{_basis(found)}{compared}'
        '<p class="ep-note">The median of the ratios of paired turns, with its 95 % interval; a target is kept when '
        "the whole interval keeps it. For the latency p50 less is better.</p>"
        f'<details class="ep-table"><summary>Rates and latencies of every side</summary>{rates}</details>'
        f"<h3>Memory, cost, quality</h3>{sides}{_foot(found)}</section>"
    )


def _verdict(found: Benchmark) -> str:
    """The sentence above the table."""
    judged = [each for each in found.compared if each.holds is not None]
    kept = sum(each.holds is True for each in judged)
    batch = [each for each in found.measured if each.side == "eventpulse" and each.scenario == "batch"]
    rate = f"{figure(round(batch[0].rate))} texts a second in batches" if batch else "No rate in batches"
    targets = f"; {kept} of {len(judged)} targets kept" if judged else ""
    return f'<p class="ep-said"><strong>{rate}</strong>{targets}.</p>'


def _basis(found: Benchmark) -> str:
    about = found.conditions
    parts = [
        day(found.made_at),
        f"model {isolated(found.model)}",
        isolated(about.hardware),
        f"{about.threads} threads a side",
        f"{about.pairs} pairs of turns of {about.seconds:g} s",
        f"load average {about.load[0]:.1f} before, {about.load[1]:.1f} at most",
    ]
    lines = f'<p class="ep-basis">{_dotted(parts)}</p>'
    if about.quick:
        lines += '<p class="ep-note ep-late">A quick look, with few and short turns: no figure to quote.</p>'
    if found.failures:
        lines += f'<p class="ep-note ep-down">{figure(found.failures)} requests failed; the table names them.</p>'
    return lines


def _compared(found: Benchmark, each: Compared) -> list[str]:
    other = "all texts unique" if each.other in found.scenarios else found.title(each.other)
    target = NONE if each.target is None else f"{'at most' if each.at_most else 'at least'} {each.target:g}"
    kept = {
        None: NONE,
        True: '<span class="ep-state ep-tone-good">yes</span>',
        False: '<span class="ep-state ep-tone-bad">no</span>',
    }[each.holds]
    measure = "latency p50" if each.measure == "p50" else "texts/s"
    return [
        safe(found.scenarios.get(each.scenario, each.scenario)),
        safe(other),
        measure,
        _ratio(each.ratio),
        target,
        kept,
    ]


def _ratio(ratio: Interval) -> str:
    return f"<strong>{ratio.value:.2f}</strong> ({ratio.low:.2f}–{ratio.high:.2f})"


def _measured(found: Benchmark, each: Measured) -> list[str]:
    failed = ", ".join(f"{figure(number)} {isolated(kind)}" for kind, number in each.failures.items()) or "0"
    times = [f"{value:,.1f} ms" for value in (each.p50_ms, each.p95_ms, each.p99_ms)]
    words = safe(found.scenarios.get(each.scenario, each.scenario))
    return [safe(found.title(each.side)), words, figure(round(each.rate)), *times, failed]


def _side(each: Side) -> list[str]:
    memory = NONE if each.memory_mb is None else f"{each.memory_mb:,.0f} MB"
    if each.core_memory_mb:
        memory += f" ({each.core_memory_mb:,.0f})"
    backend = f' <span class="ep-sure">{isolated(each.backend)}</span>' if each.backend else ""
    return [
        f"{isolated(each.title)}{backend}",
        memory,
        NONE if each.startup_s is None else f"{each.startup_s:.0f} s",
        NONE if each.cost_batch is None else f"{each.cost_batch:.3f}",
        NONE if each.cost_single is None else f"{each.cost_single:.3f}",
        NONE if each.macro_recall is None else f"{each.macro_recall:.3f}",
    ]


def _foot(found: Benchmark) -> str:
    price = found.conditions.price_per_hour
    lines = [
        "Memory counts shared pages once; in brackets what is on the way of a message alone. "
        f"A million messages cost so much at {price:g} an hour for the machine."
    ]
    if found.hop_ms is not None:
        said = f"{found.hop_ms.value:.1f} ms ({found.hop_ms.low:.1f}–{found.hop_ms.high:.1f})"
        lines.append(f"A lone caller waits {said} longer over HTTP than for the model in the same process.")
    lines += [
        f"Left out: {isolated(found.title(side))}: {isolated(reason)}." for side, reason in found.left_out.items()
    ]
    return "".join(f'<p class="ep-note">{line}</p>' for line in lines)


def _dotted(parts: Iterable[str]) -> str:
    return " · ".join(f"<span>{part}</span>" for part in parts)


def _none(text: str) -> str:
    return f'<p class="ep-none">{safe(text)}</p>'

"""A store in which every text that comes from outside, or from people, is one that an attacker wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import cycle
from typing import Final

from app.adapters.artifact import MANIFEST, Manifest
from app.adapters.benchmarks import folder_for, write_results
from app.adapters.database import storable
from app.adapters.feedback_tables import LONGEST_NAME
from app.adapters.records import Progress, Record
from app.core.alerts import Channel, ChannelKind
from app.core.annotations import Annotation, AnnotationKind
from app.core.dial import Verdict
from app.core.feedback import MessageVerdict
from app.core.incidents import Kind, Severity
from app.core.types import DeadLetter, Event, Label, SourceState
from app.services.annotations import AnnotationDraft
from tests.dashboard.rig import NOON, Rig, an_incident, record
from tests.fakes.benchmark import MADE_AT, some_benchmark
from tests.fakes.hostile import PAYLOADS

TEXTS: Final = tuple(text for text in PAYLOADS if storable(text))
"""Those that a database can hold."""

NAMED: Final = tuple(Event(f"e{n}", name, name) for n, name in enumerate(TEXTS[::9]))
"""Events whose names and queries are hostile; the first of them has the messages."""

EVENT: Final = NAMED[0]
FLAGGED: Final = NAMED[1]
"""The event with the flags, so that not each step through the messages of the other draws them anew."""

CONNECTORS: Final = TEXTS[::3]
INCIDENTS: Final = 24
_LABELS: Final = (Label.NEGATIVE, Label.NEUTRAL, Label.POSITIVE, Label.UNSCORED)
_KINDS: Final = (Kind.NEGATIVE_SHARE, Kind.VOLUME, Kind.NEGATIVE_COUNT, Kind.SWITCHED_ON)
_STATES: Final = (SourceState.ERROR, SourceState.UNAUTHORIZED, SourceState.WAITING, SourceState.LIVE)


def text(number: int) -> str:
    """The payload of that number, counted on from the first after the last."""
    return TEXTS[number % len(TEXTS)]


def fill(rig: Rig) -> None:
    """Put the payloads everywhere."""
    for event in NAMED:
        rig.watch(event)
    made = _messages()
    rig.put(*made, event=EVENT, source="news")
    rig.put(*made[:24], event=FLAGGED, source="news")
    _people(rig)
    _sources(rig)
    _alerts(rig)
    _model(rig)


def _messages() -> list[Record]:
    """Each payload as a text, an author, a publisher, a language, a place and an address; some are passed on."""
    made = [
        _message(
            n, NOON - timedelta(minutes=4 * n), TEXTS[n], _LABELS[n % 4], source=text(n) if n % 12 == 0 else "news"
        )
        for n in range(len(TEXTS))
    ]
    number = len(made)
    for place, passed_on in enumerate(TEXTS[:96:8]):
        for copy in range(6):
            at = NOON - timedelta(minutes=1 + place, seconds=copy)
            first = None if copy == 0 else f"m{number - copy}"
            made.append(_message(number, at, passed_on, Label.NEGATIVE, duplicate_of=first))
            number += 1
    for cracked in TEXTS[::6]:
        at = NOON - timedelta(minutes=20, seconds=number % 600)
        made.append(_message(number, at, f"The screen cracked {cracked}", Label.NEGATIVE))
        number += 1
    before = [_message(number + n, NOON - timedelta(hours=26, minutes=8 * n), "calm talk") for n in range(60)]
    return [*made, *before]


def _message(
    number: int, at: datetime, said: str, label: Label = Label.NEUTRAL, source: str = "news", **more: str | None
) -> Record:
    made = record(
        number,
        at,
        label,
        said,
        source=source,
        author=text(number + 1),
        publisher=text(number + 2),
        lang=text(number + 3) if label is Label.UNSCORED else "en",
        location=text(number + 4),
        country=("US", "GB", "DE", None)[number % 4],
        url=f"https://{text(number + 5)}.evil.example/{text(number + 6)}",
        **more,
    )
    if made.prediction and number % 10 == 0:
        return replace(made, prediction=replace(made.prediction, model=text(number + 7)))
    return made


def _people(rig: Rig) -> None:
    """What analysts write: flags, names, and notes on incidents."""
    kinds = cycle(("note", "statement", "expected"))
    for number, (said, kind) in enumerate(zip(TEXTS, kinds, strict=False)):
        at = NOON - timedelta(minutes=6 * number)
        rig.service.annotations.add(FLAGGED.id, AnnotationDraft.model_validate({"at": at, "kind": kind, "text": said}))
    start, end = NOON - timedelta(hours=6), NOON - timedelta(hours=4)
    gap = Annotation(FLAGGED.id, "gap", start, end, AnnotationKind.SYSTEM, text(30), created_at=NOON)
    rig.store.annotations.put(gap)
    names = [said for said in TEXTS if len(said) <= LONGEST_NAME and said.strip()]
    for number, who in enumerate(names):
        rig.store.feedback.judge(EVENT.id, f"m{number}", MessageVerdict.OFF_TOPIC, who=who)
    for number in range(1, INCIDENTS + 1):
        kind = _KINDS[number % len(_KINDS)]
        hours = None if number == INCIDENTS else 0.4
        made = an_incident(number, hours_ago=INCIDENTS - number + 1, hours=hours, kind=kind, source=text(8 * number))
        rig.incident(made, event=EVENT)
        if number < INCIDENTS:
            rig.service.incidents.give_verdict(EVENT.id, number, [*Verdict][number % 3], text(8 * number + 3))


def _sources(rig: Rig) -> None:
    """Payloads as connectors' names and troubles, and each in a record that could not be used."""
    for number, name in enumerate(CONNECTORS):
        rig.state(name, _STATES[number % len(_STATES)], text(3 * number + 1), event=NAMED[number % len(NAMED)])
    stages = ("fetch", "parse", "clean", "classify", "store")
    letters = [
        DeadLetter(stages[n % 5] if n % 2 else said, text(n + 1), text(n + 2), text(n + 3), EVENT.id)
        for n, said in enumerate(TEXTS)
    ]
    rig.store.put_page(EVENT.id, "news", [], Progress(live_to=NOON, dead_letters=tuple(letters)))


def _alerts(rig: Rig) -> None:
    """Channels with hostile names, and deliveries that failed with hostile answers."""
    for number, name in enumerate(TEXTS[::5]):
        kind = ChannelKind.EMAIL if number % 2 else ChannelKind.SLACK
        target = text(number) if number % 2 else f"https://{text(number)}/hook"
        at = NOON + timedelta(seconds=number)
        rig.store.alerts.put_channel(
            Channel(f"c{number}", name, kind, target, None, None, Severity.WATCH, 0, True, at),
        )
    rig.incident(an_incident(INCIDENTS, hours_ago=1, severity=Severity.CRITICAL, revision=2), event=EVENT)
    for number, parcel in enumerate(rig.store.alerts.claim()):
        rig.store.alerts.mark_failed(parcel, text(5 * number + 2), None)


def _model(rig: Rig) -> None:
    """A model and a benchmark that say hostile things of themselves."""
    manifest = Manifest(
        name=text(1),
        version=text(2),
        classes=("negative", "neutral", "positive"),
        languages=TEXTS,
        max_tokens=128,
        scores=dict.fromkeys((said for said in TEXTS if "_" not in said), 0.5),
        parity={"agreement": 0.99},
        provenance={"made_at": text(3), "base": text(4)},
        files={},
    )
    (rig.settings.model_dir / MANIFEST).write_text(manifest.model_dump_json(), encoding="utf-8")
    made = some_benchmark()
    measured = [each.model_copy(update={"failures": _ones(TEXTS[n::9])}) for n, each in enumerate(made.measured)]
    sides = [each.model_copy(update={"title": text(n), "backend": text(n + 9)}) for n, each in enumerate(made.sides)]
    changes = {
        "model": text(5),
        "conditions": made.conditions.model_copy(update={"hardware": text(6)}),
        "scenarios": {"batch": text(7), "single-1": text(8)},
        "measured": tuple(measured),
        "sides": tuple(sides),
        "left_out": {said: text(n + 1) for n, said in enumerate(TEXTS)},
    }
    write_results(folder_for(rig.settings.state_dir, MADE_AT), made.model_copy(update=changes))


def _ones(names: Sequence[str]) -> dict[str, int]:
    return dict.fromkeys(names, 1)

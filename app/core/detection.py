"""What the detector of an event remembers between its runs, and what of its findings is told to people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from app.core.dial import Dial, overlap
from app.core.incidents import Change, Update
from app.core.types import JSON


@dataclass(frozen=True, slots=True)
class Lane:
    """How far a source was tested: `to` is the first step that was not, `counted` its messages from before that."""

    to: int
    counted: int


@dataclass(frozen=True, slots=True)
class Memory:
    """The state of an event's detector. It grows with the number of sources alone.

    `watch` is that of `Watch`. `late` counts messages that came for steps which were tested already, since the event's
    history was last replayed (`reviewed_at`, by the clock). `dial` is what came of that; `basis` names the rule and the
    verdicts that it rests on. `down` holds the annotation of each connector that is out.
    """

    watch: Mapping[str, Any]
    lanes: Mapping[str, Lane]
    reviewed_at: datetime
    dial: Dial
    basis: str
    late: int = 0
    down: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, JSON]:
        """The memory as JSON."""
        return {
            "watch": dict(self.watch),
            "lanes": {source: [lane.to, lane.counted] for source, lane in self.lanes.items()},
            "reviewed_at": self.reviewed_at.timestamp(),
            "dial": dict(asdict(self.dial)),
            "basis": self.basis,
            "late": self.late,
            "down": dict(self.down),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Memory:
        """The memory that `as_json` was made of."""
        return cls(
            watch=data["watch"],
            lanes={source: Lane(*lane) for source, lane in data["lanes"].items()},
            reviewed_at=datetime.fromtimestamp(data["reviewed_at"], UTC),
            dial=Dial(**data["dial"]),
            basis=data["basis"],
            late=data["late"],
            down=data["down"],
        )


def told_and_past(updates: Sequence[Update]) -> tuple[tuple[Update, ...], tuple[Update, ...]]:
    """The changes of a run that are told, and those of incidents that opened and closed within it.

    To close takes longer calm than there is between two runs that follow the messages: so these were over before they
    were noticed, and telling them as new would be wrong.
    """
    opened = {update.incident.number for update in updates if update.change is Change.OPENED}
    last = {update.incident.number: update.change for update in updates}
    over = {number for number in opened if last[number] is Change.CLOSED}
    told = tuple(update for update in updates if update.incident.number not in over)
    return told, tuple(update for update in updates if update.incident.number in over)


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A replay of the history, brought together with what was known before it.

    `past` are changes of incidents that nobody had seen and that are over, `told` those of one that still goes on.
    """

    watch: dict[str, JSON]
    told: tuple[Update, ...]
    past: tuple[Update, ...]


def reconcile(
    replayed: Mapping[str, Any],
    updates: Sequence[Update],
    known: Iterable[tuple[int, datetime, datetime | None]],
    current: Mapping[str, Any] | None,
    *,
    add: bool,
) -> Reviewed:
    """Bring the replay of a history together with the incidents that are `known` as (number, start, end).

    The series are as the replay has learnt them. What was told stays as it is: an incident of the replay that overlaps
    a known one is that one, and the book of `current` (the watch before the replay) goes on. Others get the next
    numbers; with `add` False they are left out: only the rule has changed, not what is known of the past.
    """
    stretches = list(known)
    numbers: dict[int, int] = {}
    free = 1 + max((number for number, _, _ in stretches), default=0)
    busy = current is not None and current["book"]["open"] is not None
    for number, incident in sorted({update.incident.number: update.incident for update in updates}.items()):
        its = (incident.started_at, incident.ended_at)
        fresh = add and not any(overlap(its, (start, end)) for _, start, end in stretches)
        if fresh and not (incident.is_open and busy):
            numbers[number] = free + len(numbers)
    book = _book(replayed["book"], current, numbers)
    book["next"] = max(book["next"], free + len(numbers))
    kept = [
        replace(update, incident=replace(update.incident, number=numbers[update.incident.number]))
        for update in updates
        if update.incident.number in numbers
    ]
    going_on = book["open"]["number"] if book["open"] else None
    return Reviewed(
        watch={**replayed, "book": book},
        told=tuple(update for update in kept if update.incident.number == going_on),
        past=tuple(update for update in kept if update.incident.number != going_on),
    )


def _book(replayed: Mapping[str, Any], current: Mapping[str, Any] | None, numbers: Mapping[int, int]) -> dict[str, Any]:
    """The book of incidents to go on with: the current one, unless the replay has found one that still goes on."""
    new = replayed["open"] is not None and replayed["open"]["number"] in numbers
    if current is not None and not new:
        return dict(current["book"])
    book = dict(replayed)
    book["open"] = _renumbered(book["open"], numbers)
    book["past"] = current["book"]["past"] if current is not None else _renumbered(book["past"], numbers)
    return book


def _renumbered(incident: Mapping[str, Any] | None, numbers: Mapping[int, int]) -> dict[str, Any] | None:
    if incident is None or incident["number"] not in numbers:
        return None
    return {**incident, "number": numbers[incident["number"]]}

"""The log of verdicts and the search for messages to judge. On SQLite and PostgreSQL."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest

from app.adapters import feedback as module
from app.adapters.store import Store
from app.core.errors import InvalidInput, NotFound
from app.core.feedback import MessageVerdict, Stratum
from app.core.queue import is_for_lot
from app.core.types import CLASSES, Event, Label
from tests.adapters.builders import EVENT, make, put
from tests.fakes.clock import Clock

CUP = EVENT.id
NEGATIVE, NEUTRAL, OFF_TOPIC = MessageVerdict.NEGATIVE, MessageVerdict.NEUTRAL, MessageVerdict.OFF_TOPIC


def test_a_verdict_keeps_what_the_model_had_said(store: Store, clock: Clock) -> None:
    put(store, make("a", label=Label.POSITIVE), make("b", label=Label.UNSCORED))
    first = store.feedback.judge(CUP, "a", NEGATIVE, who=" ann  lee ", stratum=Stratum.RANDOM)
    assert (first.said, first.model, first.who, first.at) == (Label.POSITIVE, "tiny@1", "ann lee", clock())
    second = store.feedback.judge(CUP, "b", OFF_TOPIC, who="ann")
    assert (second.said, second.model, second.stratum) == (Label.UNSCORED, "", Stratum.CHOSEN)
    assert store.feedback.log(CUP) == store.feedback.log() == [first, second]


def test_the_same_verdict_again_changes_nothing(store: Store) -> None:
    put(store, make("a"))
    first = store.feedback.judge(CUP, "a", NEGATIVE, who="ann")
    assert store.feedback.judge(CUP, "a", NEGATIVE, who="ann") == first
    drawn = store.feedback.judge(CUP, "a", NEGATIVE, who="ann", stratum=Stratum.RANDOM)
    assert drawn.id != first.id
    assert store.feedback.judge(CUP, "a", NEGATIVE, who="bob").id != first.id


def test_undo_takes_back_the_latest_and_then_the_one_before(store: Store) -> None:
    put(store, make("a"), make("b"))
    a = store.feedback.judge(CUP, "a", NEGATIVE, who="ann")
    again = store.feedback.judge(CUP, "a", NEUTRAL, who="ann")
    b = store.feedback.judge(CUP, "b", NEGATIVE, who="ann")
    store.feedback.judge(CUP, "b", NEUTRAL, who="bob")
    assert store.feedback.undo(CUP, "ann", "a") == again
    assert store.feedback.labels(CUP, ["a"])["a"].verdict is NEGATIVE
    assert store.feedback.undo(CUP, "ann") == b
    assert store.feedback.undo(CUP, "ann") == a
    assert set(store.feedback.labels(CUP, ["a", "b"])) == {"b"}
    with pytest.raises(NotFound, match="no verdict to take back"):
        store.feedback.undo(CUP, "ann")
    with pytest.raises(NotFound, match="'a' to take back"):
        store.feedback.undo(CUP, "bob", "a")
    assert [row.undoes for row in store.feedback.log(CUP)] == [None] * 4 + [again.id, b.id, a.id]


@pytest.mark.parametrize("who", ["", "  ", "a" * 61, "a\0", "\ud800"])
def test_a_name_that_cannot_be_is_refused(store: Store, who: str) -> None:
    put(store, make("a"))
    with pytest.raises(InvalidInput) as refused:
        store.feedback.judge(CUP, "a", NEGATIVE, who=who)
    assert refused.value.field == "who"


@pytest.mark.parametrize("message_id", ["nothing", "", "\0", "\ud800"])
def test_what_is_not_stored_cannot_be_judged(store: Store, message_id: str) -> None:
    with pytest.raises(NotFound):
        store.feedback.judge(CUP, message_id, NEGATIVE, who="ann")
    with pytest.raises(NotFound):
        store.feedback.judge("nowhere", "a", NEGATIVE, who="ann")
    assert store.feedback.log() == []


def test_an_undone_is_no_verdict(store: Store) -> None:
    put(store, make("a"))
    with pytest.raises(InvalidInput, match="undo"):
        store.feedback.judge(CUP, "a", MessageVerdict.UNDONE, who="ann")


def test_a_verdict_is_seen_by_who_watches_the_event(store: Store) -> None:
    put(store, make("a"))
    before = store.version(CUP)
    store.feedback.judge(CUP, "a", NEGATIVE, who="ann")
    assert store.version(CUP) > before
    assert store.check(CUP) == []


def test_messages_say_what_people_make_of_them_and_counts_stay_the_models(store: Store) -> None:
    put(store, make("a", label=Label.POSITIVE), make("copy", 1, duplicate_of="a"), make("b", 2))
    before = store.totals(CUP)
    store.feedback.judge(CUP, "a", NEGATIVE, who="ann")
    found = {item.message.id: item for item in store.messages(CUP).items}
    assert found["b"].feedback is None
    for name in ("a", "copy"):
        label = found[name].feedback
        assert label is not None
        assert (label.verdict, label.who) == (NEGATIVE, "ann")
        assert found[name].label is Label.POSITIVE
    assert store.totals(CUP) == before
    store.feedback.judge(CUP, "copy", OFF_TOPIC, who="bob")
    own = store.message(CUP, "copy").feedback
    assert own is not None
    assert own.verdict is OFF_TOPIC
    first = store.some(CUP, ["a", "gone"])["a"].feedback
    assert first is not None
    assert first.verdict is NEGATIVE


def test_a_deleted_message_leaves_its_verdict_and_no_text(store: Store) -> None:
    put(store, make("a", text="a secret"))
    store.feedback.judge(CUP, "a", NEGATIVE, who="ann", stratum=Stratum.RANDOM)
    store.delete_messages(CUP, ["a"])
    assert store.some(CUP, ["a"]) == {}
    assert store.feedback.confusion("tiny@1") == ((0, 0, 1), (0, 0, 0), (0, 0, 0))
    assert "secret" not in repr(store.feedback.log(CUP))


def test_the_feedback_of_an_event_goes_with_it(store: Store) -> None:
    put(store, make("a"))
    store.feedback.judge(CUP, "a", NEGATIVE, who="ann")
    store.delete_event(CUP)
    assert store.feedback.log() == []


def test_the_log_is_paged_the_latest_first(store: Store) -> None:
    put(store, *(make(f"m{number}") for number in range(5)))
    ids = [store.feedback.judge(CUP, f"m{number}", NEGATIVE, who="ann").id for number in range(5)]
    seen, after = [], None
    while True:
        page = store.feedback.page(CUP, limit=2, after=after)
        seen += [row.id for row in page.items]
        after = page.next
        if after is None:
            break
    assert seen == ids[::-1]
    for wrong in ("", "-1", "1.5", "9" * 19, "٣"):
        with pytest.raises(InvalidInput):
            store.feedback.page(CUP, after=wrong)
    with pytest.raises(InvalidInput):
        store.feedback.page(CUP, limit=0)


def test_only_first_and_scored_messages_are_candidates_the_newest_first(store: Store) -> None:
    put(store, make("old", 0), make("copy", 1, duplicate_of="old"), make("new", 2), make("ja", 3, label=Label.UNSCORED))
    assert [each.id for each in store.feedback.newest(CUP)] == ["new", "old"]
    assert [each.id for each in store.feedback.newest(CUP, 2)] == ["new"]
    assert store.feedback.newest(CUP)[0].probabilities == (0.7, 0.2, 0.1)
    assert store.feedback.candidates(CUP, ["old", "copy", "ja", "gone"]) == {"old"}
    assert store.feedback.candidates(CUP, []) == set()


def draws(store: Store, number: int, **options: Any) -> list[str]:
    return store.feedback.lot(CUP, number, **({"seed": "s", "without": ()} | options))


@pytest.fixture(params=["listed", "by rank"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small event is listed, a large one is drawn from by rank: both must give the same kind of sample."""
    if request.param == "by rank":
        monkeypatch.setattr(module, "NEWEST", 0)


@pytest.mark.usefixtures("either_way")
def test_the_lot_is_drawn_from_all_times_and_never_twice(store: Store) -> None:
    minutes = [0, 0.2, 0.4, 1, 59, 61, 200, 1500, 1501, 4000, 40_000, -3000.5]
    records = [make(f"{at}/{number}", at) for at in minutes for number in range(4)]
    records += [make(f"copy{number}", 5, duplicate_of="0/0") for number in range(20)]
    records += [make(f"ja{number}", 5, label=Label.UNSCORED) for number in range(20)]
    put(store, *records)
    kept = {record.message.id for record in records[: len(minutes) * 4] if is_for_lot(CUP, record.message.id)}
    assert len(kept) > 5
    found = draws(store, len(kept))
    assert set(found) == kept
    assert set(draws(store, len(kept) - 4, without=found[:4])) == kept - set(found[:4])
    assert draws(store, 1, without=kept) == []


@pytest.mark.usefixtures("either_way")
def test_the_same_seed_draws_the_same_messages(store: Store) -> None:
    put(store, *(make(f"m{number}", number * 17) for number in range(200)))
    assert draws(store, 8) == draws(store, 8)
    assert draws(store, 8) != draws(store, 8, seed="another")


@pytest.mark.usefixtures("either_way")
def test_the_lot_is_fair(store: Store) -> None:
    """A minute with many messages is drawn as often as its messages are many; a label as often as it occurs."""
    crowded = [make(f"crowd{number}", 3, label=CLASSES[number % 3]) for number in range(60)]
    put(store, *crowded, *(make(f"m{number}", number * 400, label=CLASSES[number % 3]) for number in range(60)))
    names = [f"{kind}{number}" for kind in ("crowd", "m") for number in range(60)]
    kept = [name for name in names if is_for_lot(CUP, name)]
    counts = Counter(name for trial in range(30) for name in draws(store, 5, seed=str(trial)))
    assert sum(counts.values()) == 150
    expected = 150 / len(kept)
    chi2 = sum((counts[name] - expected) ** 2 / expected for name in kept)
    freedom = len(kept) - 1
    assert set(counts) <= set(kept)
    assert chi2 < freedom + 4 * math.sqrt(2 * freedom)  # fixed seeds: it holds or it does not


def test_nothing_to_draw_from(store: Store) -> None:
    assert draws(store, 3) == []
    put(store, make("ja", label=Label.UNSCORED))
    assert draws(store, 3) == []
    assert store.feedback.lot("nowhere", 3, seed="s", without=()) == []


def test_confusion_is_of_one_version_over_all_events(store: Store) -> None:
    store.put_event(Event("vote", "Vote", "*"))
    put(store, make("a"), make("b"), make("c"))
    put(store, make("a"), event_id="vote")
    for name, verdict in (("a", NEGATIVE), ("b", MessageVerdict.POSITIVE), ("c", OFF_TOPIC)):
        store.feedback.judge(CUP, name, verdict, who="ann", stratum=Stratum.RANDOM)
    store.feedback.judge("vote", "a", NEUTRAL, who="ann", stratum=Stratum.RANDOM)
    assert store.feedback.confusion("tiny@1") == ((0, 0, 1), (0, 0, 1), (0, 0, 1))
    assert store.feedback.confusion("other") == ((0, 0, 0),) * 3


def test_times_are_those_of_the_clock(store: Store, clock: Clock) -> None:
    put(store, make("a"))
    clock.advance(90)
    store.feedback.judge(CUP, "a", NEGATIVE, who="ann")
    assert store.feedback.log()[0].at == clock()

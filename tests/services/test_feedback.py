from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.adapters.records import Progress, Record
from app.adapters.shadow_log import ShadowLog, shadow_folder
from app.adapters.store import Store
from app.core.errors import InvalidInput, NotFound
from app.core.feedback import MessageVerdict, Stratum
from app.core.queue import is_for_lot
from app.core.text import content_hash
from app.core.types import CLASSES, Event, Label, Message, Prediction
from app.services.feedback import Feedback, Queue, UndoDraft, VerdictDraft
from app.settings import Settings

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
CUP = "cup"
MODELS_SAY = Label.POSITIVE


def said(margin: float, label: Label = MODELS_SAY, model: str = "v1") -> Prediction:
    """A prediction that is so far ahead of the next class."""
    rest = (1 - margin) / 3
    first, second, third = (rest + margin if each is label else rest for each in CLASSES)
    return Prediction(label, (first, second, third), model, "onnx")


def record(name: str, minutes: float = 0, *, margin: float = 0.9, copy_of: str | None = None) -> Record:
    message = Message(name, f"text of {name}", NOON - timedelta(minutes=minutes), "x", duplicate_of=copy_of)
    return Record(message, said(margin), content_hash(message.text), NOON)


@pytest.fixture
def feedback(store: Store, tmp_path: Path) -> Feedback:
    store.put_event(Event(CUP, "Cup", "*"))
    return Feedback(store, Settings(_env_file=None, state_dir=tmp_path))


def put(store: Store, records: Sequence[Record]) -> None:
    store.put_page(CUP, "x", records, Progress())


@pytest.fixture
def filled(store: Store, feedback: Feedback) -> Feedback:
    """200 messages, the newest ones the least sure, and as many copies."""
    put(store, [record(f"m{number}", number, margin=number / 250) for number in range(200)])
    put(store, [record(f"copy{number}", number + 0.5, copy_of=f"m{number}") for number in range(200)])
    return feedback


def names(queue: Queue, stratum: Stratum | None = None) -> list[str]:
    return [item.message.message.id for item in queue.items if stratum in (None, item.stratum)]


def give(feedback: Feedback, queue: Queue, verdict: str = "neutral", who: str = "ann") -> None:
    for item in queue.items:
        draft = {"message_id": item.message.message.id, "verdict": verdict, "stratum": item.stratum, "who": who}
        feedback.judge(CUP, VerdictDraft.model_validate(draft))


def log_shadow(tmp_path: Path, apart: dict[str, float]) -> None:
    """What a shadow arm said otherwise, and how far from the answer."""
    log = ShadowLog(shadow_folder(tmp_path))
    rows = []
    for key, gap in apart.items():
        shadow = Prediction(Label.NEGATIVE, (gap, 0.0, 1 - gap), "v2", "onnx", "challenger")
        rows.append((1.0, key, Prediction(Label.POSITIVE, (0.0, 0.0, 1.0), "v1", "onnx"), shadow))
    log.append(rows)
    log.flush()


def test_the_queue_has_its_shares(filled: Feedback, tmp_path: Path) -> None:
    hard = [f"m{number}" for number in range(100, 200) if not is_for_lot(CUP, f"m{number}")]
    log_shadow(tmp_path, {name: 0.5 + place / 1000 for place, name in enumerate(hard)})
    queue = filled.queue(CUP, "ann", limit=40)
    strata = Counter(item.stratum for item in queue.items)
    assert strata == {Stratum.UNCERTAIN: 20, Stratum.DISAGREEMENT: 10, Stratum.RANDOM: 10}
    assert names(queue, Stratum.DISAGREEMENT) == hard[:-11:-1]  # the furthest apart first
    assert all(is_for_lot(CUP, name) for name in names(queue, Stratum.RANDOM))
    assert len(set(names(queue))) == 40


def test_the_least_certain_come_first(filled: Feedback) -> None:
    unsure = [f"m{number}" for number in range(200) if not is_for_lot(CUP, f"m{number}")]
    assert names(filled.queue(CUP, "ann", limit=4), Stratum.UNCERTAIN) == unsure[:3]


def test_the_same_store_gives_the_same_queue(filled: Feedback) -> None:
    assert filled.queue(CUP, "ann", limit=30) == filled.queue(CUP, "ann", limit=30)


def test_in_the_end_every_text_was_asked_for_once(filled: Feedback) -> None:
    seen: list[str] = []
    while (queue := filled.queue(CUP, "ann", limit=37)).items:
        seen += names(queue)
        give(filled, queue)
    assert sorted(seen) == sorted(f"m{number}" for number in range(200))
    assert filled.queue(CUP, "ann").judged == 200
    drawn = filled.summary(CUP).strata[Stratum.RANDOM]
    assert drawn == sum(is_for_lot(CUP, f"m{number}") for number in range(200))


def test_the_shares_hold_one_message_at_a_time(filled: Feedback) -> None:
    strata = []
    for _ in range(16):
        queue = filled.queue(CUP, "ann", limit=1)
        strata.append(queue.items[0].stratum)
        give(filled, queue)
    assert Counter(strata) == {Stratum.UNCERTAIN: 12, Stratum.RANDOM: 4}  # no shadow: nothing to disagree on


def test_skipped_messages_do_not_come_back_to_who_skipped_them(filled: Feedback) -> None:
    queue = filled.queue(CUP, "ann", limit=4)
    give(filled, queue, "skipped")
    again = filled.queue(CUP, "ann", limit=40)
    assert (again.judged, again.skipped) == (0, 4)
    assert not set(names(queue)) & set(names(again))
    assert set(names(queue, Stratum.UNCERTAIN)) <= set(names(filled.queue(CUP, "bob", limit=40)))


def test_somebody_else_gets_other_messages_and_some_of_the_lot_again(filled: Feedback) -> None:
    ann = filled.queue(CUP, "ann", limit=64)
    give(filled, ann)
    bob = filled.queue(CUP, "bob", limit=64)
    both = set(names(ann)) & set(names(bob))
    assert len(both) == 4  # every fourth of the sixteen that are drawn
    assert both <= set(names(bob, Stratum.RANDOM))
    give(filled, bob, "negative", "bob")
    found = filled.summary(CUP)
    assert found.ceiling is not None
    assert (found.ceiling.same.n, found.ceiling.same.value, found.disputed, found.people) == (4, 0.0, 4, 2)


def test_a_message_that_was_chosen_may_still_be_drawn(filled: Feedback) -> None:
    """Were it left out, the sample would miss just those mistakes that somebody came across."""
    kept = [f"m{number}" for number in range(200) if is_for_lot(CUP, f"m{number}")]
    for name in kept:
        filled.judge(CUP, VerdictDraft(message_id=name, verdict=MessageVerdict.NEGATIVE, who="ann"))
    drawn = names(filled.queue(CUP, "ann", limit=40), Stratum.RANDOM)
    assert len(drawn) == 10
    assert not set(kept) & set(names(filled.queue(CUP, "ann", limit=40), Stratum.UNCERTAIN))


def test_the_random_part_is_unbiased_where_the_rest_is_not(store: Store, feedback: Feedback) -> None:
    """People correct what they come across and what is hard; the accuracy must not move for that."""
    put(store, [record(f"m{number}", number, margin=0.05 if number % 5 == 0 else 0.9) for number in range(600)])
    wrong = {f"m{number}" for number in range(0, 600, 5)}  # the model errs where it is unsure, one in five
    for _ in range(12):
        queue = feedback.queue(CUP, "ann", limit=20)
        for item in queue.items:
            name = item.message.message.id
            verdict = MessageVerdict.NEGATIVE if name in wrong else MessageVerdict.POSITIVE
            feedback.judge(CUP, VerdictDraft(message_id=name, verdict=verdict, stratum=item.stratum, who="ann"))
    found = feedback.summary(CUP)
    assert found.quality.accuracy is not None
    assert found.quality.accuracy.n == 60
    assert found.quality.accuracy.low < 0.8 < found.quality.accuracy.high
    right = sum(row.verdict is MessageVerdict.POSITIVE for row in store.feedback.log(CUP))
    assert right / found.messages < 0.7  # all feedback together would make the model look far worse


def test_a_verdict_is_given_and_taken_back(filled: Feedback) -> None:
    given = filled.judge(CUP, VerdictDraft(message_id="m1", verdict=MessageVerdict.OFF_TOPIC, who="ann"))
    assert given.feedback is not None
    assert given.feedback.verdict is MessageVerdict.OFF_TOPIC
    taken = filled.undo(CUP, UndoDraft(who="ann"))
    assert taken.judgement == given.judgement
    assert taken.feedback is None
    assert [row.verdict for row in filled.rows(CUP).items] == [MessageVerdict.UNDONE, MessageVerdict.OFF_TOPIC]
    with pytest.raises(NotFound):
        filled.undo(CUP, UndoDraft(who="ann"))


def test_the_summary_of_nothing(filled: Feedback) -> None:
    found = filled.summary(CUP)
    assert (found.messages, found.people, found.disputed, found.models) == (0, 0, 0, ())
    assert (found.quality.accuracy, found.quality.off_topic, found.agreement) == (None, None, None)


def test_the_summary_tells_the_event_from_all_events_and_one_version_from_another(
    store: Store, filled: Feedback
) -> None:
    store.put_event(Event("vote", "Vote", "*"))
    old = record("m1")
    store.put_page("vote", "x", [Record(old.message, said(0.9, model="v0"), "h", NOON)], Progress())
    draft = {"message_id": "m1", "stratum": "random", "who": "ann"}
    filled.judge(CUP, VerdictDraft.model_validate(draft | {"verdict": "positive"}))
    filled.judge("vote", VerdictDraft.model_validate(draft | {"verdict": "negative"}))
    found = filled.summary(CUP)
    assert found.quality.accuracy is not None
    assert found.overall.accuracy is not None
    assert (found.quality.accuracy.value, found.overall.accuracy.value) == (1.0, 0.5)
    by_model = {each.model: each.quality.confusion for each in found.models}
    assert by_model == {"v0": filled.confusion("v0"), "v1": filled.confusion("v1")}
    assert filled.confusion("v0") == ((0, 0, 1), (0, 0, 0), (0, 0, 0))


@pytest.mark.parametrize("limit", [0, -1, 101])
def test_a_queue_has_a_length(filled: Feedback, limit: int) -> None:
    with pytest.raises(InvalidInput) as refused:
        filled.queue(CUP, "ann", limit=limit)
    assert refused.value.field == "limit"


def test_an_event_that_is_not_there(feedback: Feedback) -> None:
    for ask in (feedback.queue, feedback.summary, feedback.rows):
        with pytest.raises(NotFound):
            ask("nowhere")


def test_an_event_without_messages_has_no_queue(feedback: Feedback) -> None:
    assert feedback.queue(CUP).items == ()


def test_disagreements_on_what_is_not_here_are_passed_over(filled: Feedback, tmp_path: Path) -> None:
    log_shadow(tmp_path, {"elsewhere": 0.9, "copy3": 0.9})
    assert names(filled.queue(CUP, "ann", limit=8), Stratum.DISAGREEMENT) == []


def test_a_wilson_interval_is_that_of_the_formula(filled: Feedback) -> None:
    for number, verdict in enumerate(["positive"] * 8 + ["negative"] * 2):
        draft = {"message_id": f"m{number}", "verdict": verdict, "stratum": "random", "who": "ann"}
        filled.judge(CUP, VerdictDraft.model_validate(draft))
    found = filled.summary(CUP).quality.accuracy
    assert found is not None
    assert (found.value, found.n) == (0.8, 10)
    assert math.isclose(found.low, 0.490, abs_tol=1e-3)
    assert math.isclose(found.high, 0.943, abs_tol=1e-3)

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.adapters.artifact import verify
from app.adapters.confusion import ConfusionFile, LabelledSet, write_confusion
from app.adapters.records import MessageFilter, Progress
from app.adapters.store import Store
from app.core.errors import ClassifierError, InvalidInput, NotFound, Overloaded, QueryError
from app.core.types import CLASSES, Count, DeadLetter, Event, Label, Prediction, SourceState
from app.service import EventDraft, Service
from app.services.windows import STEPS
from app.settings import Settings
from app.views import Selection
from tests.fakes.evaluation import artifact_folder
from tests.fakes.feed import Feed, prediction

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
NOW = NOON + timedelta(days=3)
NAIVE = NOON.replace(tzinfo=None)


async def _classify(
    texts: Sequence[str], keys: Sequence[str] | None = None, deadline_s: float | None = None
) -> list[Prediction]:
    return [prediction(Label.POSITIVE) for _ in texts]


@pytest.fixture
def service(store: Store) -> Service:
    store.put_event(Event("launch", "Launch", "*"))
    return Service(store, _classify, Settings(max_batch=3, max_text_chars=10), now=lambda: NOW)


@pytest.fixture
def feed(store: Store) -> Feed:
    return Feed(store)


# Events


def test_an_event_is_made_changed_and_forgotten(service: Service) -> None:
    draft = EventDraft(name=" Vision Pro ", query=' "vision pro" ', languages=("EN",), countries=("us",), read_budget=5)
    made = service.create_event(draft)
    assert (made.id, made.name, made.query) == ("vision-pro", "Vision Pro", '"vision pro"')
    assert (made.languages, made.countries, made.read_budget) == (("en",), ("US",), 5)
    assert made.created_at is not None
    assert service.event("vision-pro") == made
    changed = service.update_event("vision-pro", EventDraft(name="Other name", query="vision"))
    assert (changed.id, changed.name, changed.created_at) == ("vision-pro", "Other name", made.created_at)
    assert {summary.event.id for summary in service.events()} == {"launch", "vision-pro"}
    service.delete_event("vision-pro")
    with pytest.raises(NotFound):
        service.event("vision-pro")


def test_a_change_keeps_messages(service: Service, feed: Feed) -> None:
    feed.put(Label.POSITIVE, NOON, 2)
    before = service.version("launch")
    service.update_event("launch", EventDraft(name="Launch", query="other"))
    (summary,) = service.events()
    assert (summary.raw, summary.distinct) == (2, 2)
    assert service.version("launch") > before


def test_a_name_is_taken_once(service: Service) -> None:
    with pytest.raises(InvalidInput, match="already") as refused:
        service.create_event(EventDraft(name="LAUNCH!", query="x"))
    assert refused.value.field == "name"
    assert service.event("launch").query == "*"


@pytest.mark.parametrize(
    ("draft", "field"),
    [
        (EventDraft(name="?", query="x"), "name"),
        (EventDraft(name="x", query="("), "query"),
        (EventDraft(name="x", query=" "), "query"),
        (EventDraft(name="x", query="x", languages=("eng",)), "languages"),
        (EventDraft(name="x", query="x", countries=("U1",)), "countries"),
        (EventDraft(name="x", query="x", starts_at=NAIVE), "starts_at"),
        (EventDraft(name="x", query="x", ends_at=NAIVE), "ends_at"),
        (EventDraft(name="x", query="x", starts_at=NOON, ends_at=NOON), "ends_at"),
    ],
)
def test_a_bad_draft_is_refused_with_its_field(service: Service, draft: EventDraft, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        service.create_event(draft)
    assert refused.value.field == field
    if field != "name":  # an event keeps its id, whatever its new name
        with pytest.raises(InvalidInput) as refused:
            service.update_event("launch", draft)
        assert refused.value.field == field
    assert [summary.event.query for summary in service.events()] == ["*"]


@pytest.mark.parametrize(
    "ask",
    [
        lambda service: service.event("none"),
        lambda service: service.update_event("none", EventDraft(name="x", query="x")),
        lambda service: service.delete_event("none"),
        lambda service: service.overview("none", Selection()),
        lambda service: service.timeline("none", Selection()),
        lambda service: service.facets("none"),
        lambda service: service.version("none"),
        lambda service: service.messages("none", MessageFilter()),
        lambda service: service.sources("none"),
        lambda service: service.dead_letters("none"),
    ],
)
def test_what_is_not_there_is_not_found(service: Service, ask: Callable[[Service], object]) -> None:
    with pytest.raises(NotFound):
        ask(service)


# Queries


def test_a_good_query_is_shown_in_every_dialect(service: Service) -> None:
    checked = service.check_query('"vision pro" OR apple -giveaway', ("en",))
    assert (checked.ok, checked.error, checked.position) == (True, None, None)
    assert checked.canonical
    assert len({check.dialect for check in checked.dialects}) == len(checked.dialects) >= 2
    assert all(check.text for check in checked.dialects)


@pytest.mark.parametrize(("text", "at"), [("(apple", range(7)), ("apple OR", range(9)), ("", range(1))])
def test_a_bad_query_is_pointed_at(service: Service, text: str, at: range) -> None:
    checked = service.check_query(text)
    assert (checked.ok, checked.canonical, checked.dialects) == (False, None, ())
    assert checked.error
    assert checked.position in at


@given(st.text(max_size=40))
def test_no_text_breaks_the_check(text: str) -> None:
    checked = Service.check_query(Service.__new__(Service), text)
    assert checked.ok is (checked.error is None)


def test_a_bad_query_is_an_error_when_it_is_kept(service: Service) -> None:
    with pytest.raises(QueryError):
        service.create_event(EventDraft(name="x", query="a OR"))


# Numbers


def test_the_window_ends_at_the_data_edge(service: Service, feed: Feed) -> None:
    edge = NOON + timedelta(minutes=7, seconds=31)
    feed.put(Label.NEGATIVE, NOON, progress=Progress(live_to=edge))
    overview = service.overview("launch", Selection(hours=2))
    assert overview.end == NOON + timedelta(minutes=8)
    assert overview.start == overview.end - timedelta(hours=2)
    assert overview.basis.live_to == edge
    assert service.timeline("launch", Selection(hours=2)).end == overview.end


def test_without_an_edge_it_ends_at_the_last_message_or_now(service: Service, feed: Feed) -> None:
    assert service.overview("launch", Selection()).end == NOW + timedelta(minutes=1)
    feed.put(Label.NEGATIVE, NOON + timedelta(seconds=30))
    assert service.overview("launch", Selection()).end == NOON + timedelta(minutes=1)


def test_the_window_is_compared_with_the_one_before(service: Service, feed: Feed) -> None:
    feed.put(Label.NEGATIVE, NOON - timedelta(minutes=90), 10)
    feed.put(Label.POSITIVE, NOON - timedelta(minutes=90), 90)
    feed.put(Label.NEGATIVE, NOON, 60)
    feed.put(Label.NEUTRAL, NOON, 40)
    feed.put(Label.UNSCORED, NOON, 50, progress=Progress(live_to=NOON))
    overview = service.overview("launch", Selection(hours=1))
    assert overview.counts[Label.NEGATIVE] == Count(60, 60)
    assert overview.counts[Label.POSITIVE] == Count()
    assert set(overview.counts) == set(Label)
    negative = overview.shares[Label.NEGATIVE]
    assert (negative.value, negative.n) == (0.6, 100)
    assert overview.previous_negative is not None
    assert overview.previous_negative.value == 0.1
    assert overview.change is not None
    assert (overview.change.verdict, overview.change.value) == ("higher", pytest.approx(0.5))
    assert (overview.basis.raw, overview.basis.distinct, overview.basis.unscored) == (150, 150, 50)


def test_shares_are_corrected_for_the_measured_errors_of_the_model(store: Store, feed: Feed, tmp_path: Path) -> None:
    folder = artifact_folder(tmp_path / "model")
    model = verify(folder).model
    measured = LabelledSet(name="a-set", sha256="ab", counts=((80, 15, 5), (10, 70, 20), (5, 15, 80)))
    write_confusion(folder, ConfusionFile(model=model, made_at="", commit=None, weight=30.0, sets=(measured,)))
    store.put_event(Event("launch", "Launch", "*"))
    service = Service(store, _classify, Settings(model_dir=folder), now=lambda: NOW)
    feed.put(Label.NEGATIVE, NOON - timedelta(minutes=90), 10, model=model)
    feed.put(Label.POSITIVE, NOON - timedelta(minutes=90), 90, model=model)
    feed.put(Label.NEGATIVE, NOON, 60, model=model)
    feed.put(Label.NEUTRAL, NOON, 40, model=model, progress=Progress(live_to=NOON))
    overview = service.overview("launch", Selection(hours=1))
    assert (overview.correction.corrected, overview.correction.evaluation_sets) == (True, ("a-set",))
    assert overview.basis.models == (model,)
    negative, plain = overview.shares[Label.NEGATIVE], overview.classified[Label.NEGATIVE]
    assert (plain.value, plain.n, negative.n) == (0.6, 100, 100)
    assert negative.value > plain.value
    assert negative.high - negative.low > 1.5 * (plain.high - plain.low)
    assert overview.previous_negative is not None
    assert overview.previous_negative.value < 0.1
    assert overview.change is not None
    assert overview.change.verdict == "higher"


def test_shares_of_a_model_whose_errors_were_not_measured_stay_as_classified(service: Service, feed: Feed) -> None:
    feed.put(Label.NEGATIVE, NOON, 5)
    overview = service.overview("launch", Selection(hours=1))
    assert overview.shares == overview.classified
    assert overview.correction.reason == "the errors of fake-1 were not measured"


def test_with_nothing_before_there_is_no_change(service: Service, feed: Feed) -> None:
    feed.put(Label.NEGATIVE, NOON, 5)
    overview = service.overview("launch", Selection(hours=1))
    assert overview.shares[Label.NEGATIVE].value == 1.0
    assert (overview.previous_negative, overview.change) == (None, None)


def test_an_event_without_messages_has_no_shares(service: Service) -> None:
    overview = service.overview("launch", Selection())
    assert (overview.shares, overview.change, overview.basis.raw, overview.basis.models) == ({}, None, 0, ())
    assert service.timeline("launch", Selection()).buckets == ()


def test_shares_are_over_distinct_messages(service: Service, feed: Feed) -> None:
    feed.put(Label.NEGATIVE, NOON)
    feed.put(Label.NEGATIVE, NOON, 9, copy_of="m1")
    feed.put(Label.POSITIVE, NOON)
    overview = service.overview("launch", Selection(hours=1))
    assert overview.counts[Label.NEGATIVE] == Count(10, 1)
    assert overview.shares[Label.NEGATIVE].value == 0.5
    assert (overview.basis.raw, overview.basis.distinct) == (11, 2)


def test_a_selection_cuts_out_a_source_or_a_country(service: Service, feed: Feed) -> None:
    feed.put(Label.NEGATIVE, NOON, 3, source="x", country="DE")
    feed.put(Label.POSITIVE, NOON, 2, source="news")
    assert service.overview("launch", Selection(hours=1, source="news")).basis.raw == 2
    assert service.overview("launch", Selection(hours=1, country="DE")).basis.raw == 3
    assert service.overview("launch", Selection(hours=1, country="??")).basis.raw == 2
    (bucket,) = service.timeline("launch", Selection(hours=1, source="x")).buckets
    assert bucket.counts == {Label.NEGATIVE: Count(3, 3)}
    facets = service.facets("launch")
    assert dict(facets.sources) == {"x": Count(3, 3), "news": Count(2, 2)}
    assert set(facets.countries) == {"DE", "??"}


def test_a_number_says_what_it_rests_on(service: Service, feed: Feed, store: Store) -> None:
    feed.put(Label.NEGATIVE, NOON, model="old-1")
    feed.put(Label.NEGATIVE, NOON, model="new-2", source="news")
    store.set_status("launch", "x_stream", SourceState.UNAUTHORIZED, "the key was refused")
    store.set_status("launch", "newsapi", SourceState.WAITING)
    basis = service.overview("launch", Selection(hours=1)).basis
    assert basis.models == ("new-2", "old-1")
    assert basis.sources_down == ("x_stream",)


@pytest.mark.parametrize(
    ("selection", "field"),
    [
        (Selection(hours=0), "hours"),
        (Selection(hours=-1), "hours"),
        (Selection(hours=float("nan")), "hours"),
        (Selection(hours=1e9), "hours"),
        (Selection(start=NAIVE, end=NOW), "start"),
        (Selection(start=NOON, end=NAIVE), "end"),
        (Selection(start=NOON, end=NOON), "end"),
        (Selection(start=NOON - timedelta(days=3000), end=NOON), "start"),
        (Selection(start=datetime.min.replace(tzinfo=UTC), end=NOON), "start"),
        (Selection(start=NOON, end=datetime.max.replace(tzinfo=UTC)), "end"),
    ],
)
def test_a_bad_window_is_refused_with_its_field(service: Service, selection: Selection, field: str) -> None:
    for ask in (service.overview, service.timeline):
        with pytest.raises(InvalidInput) as refused:
            ask("launch", selection)
        assert refused.value.field == field


@pytest.mark.parametrize("step", [0, -60, 61, 7200])
def test_an_unknown_step_is_refused(service: Service, step: int) -> None:
    with pytest.raises(InvalidInput) as refused:
        service.timeline("launch", Selection(), step_s=step)
    assert refused.value.field == "step_s"


def test_a_step_too_fine_for_the_window_is_refused(service: Service) -> None:
    with pytest.raises(InvalidInput, match="too fine"):
        service.timeline("launch", Selection(hours=24 * 365), step_s=60)


@pytest.mark.parametrize("step", [step for step, _ in STEPS])
def test_a_timeline_adds_up_to_the_totals(service: Service, feed: Feed, store: Store, step: int) -> None:
    for number in range(40):
        feed.put(CLASSES[number % 3], NOON + timedelta(minutes=37 * number, seconds=number), 1 + number % 2)
    feed.put(Label.UNSCORED, NOON + timedelta(hours=3), copy_of="m1")
    timeline = service.timeline("launch", Selection(hours=48), step_s=step)
    starts = [bucket.start for bucket in timeline.buckets]
    assert timeline.step_s == step
    assert starts == sorted(set(starts))
    assert all(start.timestamp() % step == 0 and start.tzinfo is UTC for start in [timeline.start, *starts])
    assert sum((bucket.total for bucket in timeline.buckets), Count()) == Count(61, 60)
    for label, total in store.totals("launch").items():
        assert sum((bucket.counts.get(label, Count()) for bucket in timeline.buckets), Count()) == total
    assert service.overview("launch", Selection(hours=48)).basis.raw == 61


# Messages and sources


def test_messages_come_in_pages(service: Service, feed: Feed) -> None:
    for minute in range(5):
        feed.put(Label.NEGATIVE, NOON + timedelta(minutes=minute))
    first = service.messages("launch", MessageFilter(), limit=3)
    second = service.messages("launch", MessageFilter(), limit=3, after=first.next)
    assert [item.message.id for item in (*first.items, *second.items)] == ["m5", "m4", "m3", "m2", "m1"]
    assert second.next is None


@pytest.mark.parametrize("limit", [0, -1, 501])
def test_a_bad_limit_is_refused(service: Service, limit: int) -> None:
    for ask in (
        lambda: service.messages("launch", MessageFilter(), limit=limit),
        lambda: service.dead_letters("launch", limit=limit),
    ):
        with pytest.raises(InvalidInput) as refused:
            ask()
        assert refused.value.field == "limit"


def test_a_cursor_that_is_none_is_refused(service: Service) -> None:
    with pytest.raises(InvalidInput):
        service.messages("launch", MessageFilter(), after="nonsense")


def test_dead_letters_are_counted_and_shown(service: Service, store: Store) -> None:
    letters = tuple(DeadLetter("parse", "no text", str(number), "x") for number in range(3))
    store.put_page("launch", "x", (), Progress(dead_letters=letters))
    assert service.sources("launch").dead_letters == 3
    assert len(service.dead_letters("launch", limit=2).items) == 2


# Health


@pytest.mark.anyio
async def test_health(service: Service) -> None:
    health = await service.health()
    assert (health.ready, health.parts) == (True, {"store": None, "model": None})


@pytest.mark.anyio
@pytest.mark.parametrize("error", [Overloaded("not up"), ClassifierError("broken")])
async def test_health_names_the_part_that_fails(store: Store, error: ClassifierError) -> None:
    async def failing(texts: Sequence[str]) -> list[Prediction]:
        raise error

    health = await Service(store, failing, Settings()).health()
    assert (health.ready, health.parts) == (False, {"store": None, "model": str(error)})


@pytest.mark.anyio
async def test_health_names_a_store_that_is_not_migrated(tmp_path_factory: pytest.TempPathFactory) -> None:
    with Store(f"sqlite:///{tmp_path_factory.mktemp('empty') / 'e.db'}") as store:
        health = await Service(store, _classify, Settings()).health()
    assert not health.ready
    assert health.parts["store"]

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import pytest

from app.adapters.records import UNRESOLVED, Record
from app.adapters.store import Store
from app.core.adjusted_counts import ConfusionMatrix, Errors
from app.core.errors import NotFound
from app.core.types import Count, Label
from app.services.geography import SMALL, Geographies, Geography, Group, Place
from app.services.shares import Shares
from app.views import Selection
from tests.adapters.builders import EVENT, START, at, make, put

WHOLE = Selection(start=START, end=START + timedelta(hours=2))


def service(store: Store, errors: Errors | None = None) -> Geographies:
    return Geographies(store, Shares(store, lambda model: errors), lambda: START + timedelta(hours=3))


def some(prefix: str, country: str | None, negative: int, positive: int, source: str = "x") -> Iterable[Record]:
    for number in range(negative + positive):
        label = Label.NEGATIVE if number < negative else Label.POSITIVE
        yield make(f"{prefix}{number}", number % 100, label=label, country=country, source=source)


def by_country(group: Group) -> dict[str, Place]:
    return {place.country: place for place in group.countries}


def filled(store: Store, errors: Errors | None = None, selection: Selection = WHOLE) -> Geography:
    store.put_event(EVENT)
    put(
        store,
        *some("us", "US", 60, 240),
        *some("gb", "GB", 40, 110),
        *some("de", "DE", 30, 90),
        *some("fr", "FR", 24, 96),
        *some("is", "IS", 3, 0),
        *some("nowhere", None, 10, 20),
        *some("news", "GB", 5, 0, source="news"),
        *some("dotcom", None, 0, 4, source="news"),
        make("copy", 3, label=Label.NEGATIVE, country="US", duplicate_of="us0"),
        make("ja", 3, label=Label.UNSCORED, country="JP"),
        make("late", 500, country="US"),
    )
    return service(store, errors).of(EVENT.id, selection)


def test_each_country_has_its_counts_and_shares(store: Store) -> None:
    found = filled(store)
    assert [place.country for place in found.authors.countries] == ["US", "GB", "DE", "FR", "IS", "JP"]
    places = by_country(found.authors)
    assert places["US"].counts == {Label.NEGATIVE: Count(61, 60), Label.POSITIVE: Count(240, 240)}
    assert places["US"].total == Count(301, 300)
    share = places["US"].shares[Label.NEGATIVE]
    assert share.value == pytest.approx(0.2)
    assert share.low < 0.2 < share.high
    assert share.n == 300
    assert found.authors.unresolved.total == Count(30, 30)
    assert found.authors.all.total == Count(301 + 150 + 120 + 120 + 3 + 30 + 1, 300 + 150 + 120 + 120 + 3 + 30 + 1)
    assert (found.start, found.end) == (START, START + timedelta(hours=2))


def test_a_small_country_is_marked_and_drawn_towards_the_others(store: Store) -> None:
    found = filled(store)
    places = by_country(found.authors)
    assert [country for country, place in places.items() if place.small] == ["IS", "JP"]
    assert places["IS"].shares[Label.NEGATIVE].value == 1.0
    mean = found.authors.all.shares[Label.NEGATIVE].value
    drawn = places["IS"].negative
    assert drawn is not None
    assert mean < drawn < 0.6
    large = places["US"].negative
    assert large is not None
    assert 0.2 <= large < mean
    assert SMALL == 100


def test_a_country_is_compared_with_the_others_unless_it_is_small(store: Store) -> None:
    places = by_country(filled(store).authors)
    britain, america = places["GB"].against, places["US"].against
    assert britain is not None and america is not None
    others = (60 + 30 + 24 + 3 + 10) / (300 + 120 + 120 + 3 + 30)
    assert britain.value == pytest.approx(40 / 150 - others)
    assert britain.low < britain.value < britain.high
    assert places["IS"].against is None
    assert places["JP"].against is None


def test_what_was_not_scored_has_no_share(store: Store) -> None:
    japan = by_country(filled(store).authors)["JP"]
    assert japan.total == Count(1, 1)
    assert japan.shares == japan.classified == {}
    assert japan.negative is None and japan.positive is None


def test_publishers_are_kept_apart_from_authors(store: Store) -> None:
    found = filled(store)
    assert [(place.country, place.total.raw) for place in found.publishers.countries] == [("GB", 5)]
    assert found.publishers.unresolved.total == Count(4, 4)
    assert by_country(found.authors)["GB"].total == Count(150, 150)


def test_a_source_narrows_it_and_a_country_does_not(store: Store) -> None:
    found = filled(store, selection=Selection(start=WHOLE.start, end=WHOLE.end, source="news", country="FR"))
    assert found.authors.countries == ()
    assert found.authors.all.total == Count()
    assert found.publishers.all.total == Count(9, 9)


def test_shares_are_corrected_where_the_errors_of_the_model_are_known(store: Store) -> None:
    matrix = ConfusionMatrix("tiny@1", "set", ((80, 10, 10), (10, 80, 10), (10, 10, 80)))
    found = filled(store, Errors((matrix,)))
    assert found.correction.corrected
    america = by_country(found.authors)["US"]
    assert america.classified[Label.NEGATIVE].value == pytest.approx(0.2)
    assert america.shares[Label.NEGATIVE].value < 0.2
    assert filled(store).correction.reason == "the errors of tiny@1 were not measured"


@pytest.mark.parametrize(("start", "end"), [(at(-60), at(-1)), (at(900), at(960))])
def test_a_window_without_messages_is_empty(store: Store, start: datetime, end: datetime) -> None:
    found = filled(store, selection=Selection(start=start, end=end))
    for group in (found.authors, found.publishers):
        assert group.countries == ()
        assert group.unresolved.country == UNRESOLVED
        assert group.all.shares == {}
        assert group.all.total == Count()


def test_an_event_that_is_not_there(store: Store) -> None:
    with pytest.raises(NotFound):
        service(store).of("nobody", WHOLE)

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from dataclasses import fields, replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.bursts import Tick
from app.core.errors import InvalidInput
from app.core.incidents import Change, Incident, Kind, Update
from app.core.watch import ALL_KINDS, Rule, Watch, replay
from tests.core.ticks import DAY, HOUR, STEP, WEEK, put_in, steady, surge, tick, time_of

RATE = 20
NOW = WEEK  # the step at which a week of steady chatter was learnt

Steps = Sequence[dict[str, Tick]]


def of_x(ticks: Sequence[Tick]) -> Steps:
    return [{"x": each} for each in ticks]


def both(ticks: Sequence[Tick], others: Sequence[Tick]) -> Steps:
    return [{"x": here, "news": there} for here, there in zip(ticks, others, strict=True)]


def fed(watch: Watch, steps: Steps, *, settled: bool = True) -> list[Update]:
    return [update for step in steps for update in watch.observe(step, settled=settled)]


def changes(updates: Sequence[Update]) -> list[Change]:
    return [update.change for update in updates]


@cache
def _learnt() -> Watch:
    watch = Watch(Rule())
    assert fed(watch, both(calm(0, NOW), calm(0, NOW))) == []
    return watch


@pytest.fixture
def watch() -> Watch:
    """A watch that knows a week of steady chatter of two sources."""
    return copy.deepcopy(_learnt())


def calm(first: int, steps: int) -> list[Tick]:
    return steady(first, steps, rate=RATE)


STORM = surge(NOW, 4, 40 * RATE, share=0.9)
AFTER = NOW + 4

# The rule


@pytest.mark.parametrize("name", ["alarms_per_week", "least_size", "calm_minutes", "correction"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
def test_a_rule_says_what_is_wrong_with_it(name: str, value: float) -> None:
    wrong: dict[str, Any] = {name: value}
    with pytest.raises(InvalidInput, match=f"{name} must be above 0, not {value}") as refused:
        Rule(**wrong)
    assert refused.value.field == name


@pytest.mark.parametrize("value", [-0.5, float("nan")])
def test_a_cooldown_may_be_nothing_and_not_less(value: float) -> None:
    assert Rule(cooldown_hours=0.0).lifecycle.cooldown_s == 0
    with pytest.raises(InvalidInput, match=f"cooldown_hours must not be below 0, not {value}") as refused:
        Rule(cooldown_hours=value)
    assert refused.value.field == "cooldown_hours"


def test_a_rule_has_no_other_fields() -> None:
    with pytest.raises(InvalidInput, match="a rule has no alarms, colour") as refused:
        Rule.from_json({"colour": "red", "alarms": 2, "least_size": 3})
    assert refused.value.field == "alarms"


def test_a_rule_knows_its_kinds() -> None:
    with pytest.raises(InvalidInput, match="joy") as refused:
        Rule.from_json({"kinds": ["volume", "joy"]})
    assert refused.value.field == "kinds"
    assert all(kind.value in str(refused.value) for kind in Kind)


def test_what_a_rule_leaves_out_has_its_default() -> None:
    assert Rule.from_json({}) == Rule()
    assert Rule.from_json({"kinds": ["volume"]}) == Rule(kinds=(Kind.VOLUME,))
    assert set(Rule().as_json()) == {field.name for field in fields(Rule)}


def test_every_kind_may_open_an_incident_unless_the_rule_says_otherwise() -> None:
    assert Rule().kinds == ALL_KINDS == tuple(Kind)


above_0 = st.floats(1e-6, 1e6)


@given(
    st.builds(
        Rule,
        alarms_per_week=above_0,
        kinds=st.lists(st.sampled_from(Kind), unique=True).map(tuple),
        least_size=above_0,
        calm_minutes=above_0,
        cooldown_hours=st.floats(0, 1e4),
        correction=above_0,
    )
)
def test_a_rule_survives_json(rule: Rule) -> None:
    assert Rule.from_json(json.loads(json.dumps(rule.as_json()))) == rule


def test_what_concerns_incidents_is_in_seconds() -> None:
    lifecycle = Rule(least_size=25, calm_minutes=30, cooldown_hours=2).lifecycle
    assert (lifecycle.least_size, lifecycle.calm_s, lifecycle.cooldown_s) == (25, 1_800, 7_200)


@given(above_0, st.floats(0.01, 100), st.integers(1, 20), st.lists(st.sampled_from(Kind), unique=True))
def test_the_parts_of_the_budget_are_what_the_dial_says(
    alarms: float, correction: float, sources: int, kinds: list[Kind]
) -> None:
    budget = Rule(alarms, tuple(kinds), correction=correction).budget(sources)
    assert (budget.volume is not None) == (Kind.VOLUME in kinds)
    assert (budget.negative is not None) == bool({Kind.NEGATIVE_SHARE, Kind.NEGATIVE_COUNT} & set(kinds))
    parts = [part for part in (budget.volume, budget.negative) if part is not None]
    assert sum(parts) * sources == pytest.approx(alarms / correction if parts else 0.0)
    assert len(set(parts)) <= 1


def test_with_every_source_the_thresholds_of_all_rise() -> None:
    history = calm(0, DAY)
    storm = surge(DAY, 4, 100 * RATE)
    one, two = (Watch(Rule(kinds=(Kind.VOLUME,))) for _ in range(2))
    alone = fed(one, of_x([*history, *storm]))
    beside = fed(two, both([*history, *storm], calm(0, DAY + 4)))
    thresholds = [updates[0].incident.evidence[0].threshold for updates in (alone, beside)]
    assert 10 ** -thresholds[0] == pytest.approx(1.0)
    assert 10 ** -thresholds[1] == pytest.approx(0.5)


# One event


def test_one_happening_in_all_sources_and_kinds_is_one_incident(watch: Watch) -> None:
    updates = fed(watch, both(STORM, STORM))
    updates += fed(watch, both(calm(AFTER, DAY), calm(AFTER, DAY)))
    assert changes(updates).count(Change.OPENED) == changes(updates).count(Change.CLOSED) == 1
    closed = updates[-1].incident
    assert closed.number == 1
    assert set(closed.kinds) == {Kind.NEGATIVE_SHARE, Kind.NEGATIVE_COUNT, Kind.VOLUME}
    assert {signal.source for signal in closed.evidence} == {"x", "news"}
    assert closed.started_at == time_of(NOW)
    assert time_of(AFTER) <= closed.opened_at + 4 * STEP
    assert closed.ended_at is not None
    assert time_of(AFTER) <= closed.ended_at <= time_of(AFTER + DAY // 2)


def test_the_open_incident_is_there_to_be_seen(watch: Watch) -> None:
    assert watch.open is None
    updates = fed(watch, of_x(STORM))
    assert watch.open is not None
    assert watch.open.number == updates[-1].incident.number == 1
    assert watch.open.updated_at == time_of(AFTER)


@pytest.mark.parametrize("kind", [Kind.VOLUME, Kind.NEGATIVE_SHARE, Kind.NEGATIVE_COUNT])
def days_with_a_storm() -> Steps:
    return of_x([*calm(0, 3 * DAY), *surge(3 * DAY, 6, 100 * RATE, share=0.9)])


@pytest.mark.parametrize("kind", [Kind.VOLUME, Kind.NEGATIVE_SHARE, Kind.NEGATIVE_COUNT])
def test_only_the_kinds_of_the_rule_open_incidents(kind: Kind) -> None:
    (found,) = replay(days_with_a_storm(), Rule(kinds=(kind,)))
    assert found.kinds == (kind,)


def test_a_rule_without_kinds_opens_nothing() -> None:
    assert replay(days_with_a_storm(), Rule(kinds=())) == []


def test_a_surge_below_the_least_size_opens_nothing() -> None:
    assert replay(days_with_a_storm(), Rule(least_size=1e6)) == []
    assert len(replay(days_with_a_storm(), Rule(least_size=100))) == 1


def test_a_source_that_joins_an_event_is_no_public_reaction(watch: Watch) -> None:
    updates = [update for each in calm(NOW, DAY) for update in watch.observe({"x": each, "radio": each})]
    assert changes(updates) == [Change.OPENED, Change.CLOSED]
    assert updates[0].incident.kinds == (Kind.SWITCHED_ON,)
    assert updates[0].incident.evidence[0].source == "radio"


def test_the_sources_that_an_event_begins_with_do_not_join_it() -> None:
    watch = Watch(Rule())
    fed(watch, of_x(calm(0, HOUR)))
    assert fed(watch, both(calm(HOUR, DAY), calm(HOUR, DAY))) == []


@pytest.mark.parametrize("ticks", [{}, {"x": tick(NOW, 1), "news": tick(NOW + 1, 1)}])
def test_the_ticks_of_a_step_begin_together(watch: Watch, ticks: dict[str, Tick]) -> None:
    before = watch.state()
    with pytest.raises(InvalidInput, match=f"not of {len(ticks)}") as refused:
        watch.observe(ticks)
    assert refused.value.field == "ticks"
    with pytest.raises(InvalidInput, match=f"not of {len(ticks)}"):
        watch.look(ticks, now=time_of(NOW))
    assert watch.state() == before


def test_a_step_that_was_tested_is_not_tested_again(watch: Watch) -> None:
    with pytest.raises(InvalidInput, match="comes after"):
        watch.observe({"x": tick(NOW - 1, 3)})


# What is not known


def test_no_data_is_not_calm(watch: Watch) -> None:
    fed(watch, both(STORM, STORM))
    dark = [replace(each, known=False) for each in calm(AFTER, DAY)]
    assert Change.CLOSED not in changes(fed(watch, both(dark, dark)))
    assert watch.open is not None
    later = AFTER + DAY
    assert Change.CLOSED in changes(fed(watch, both(calm(later, DAY), calm(later, DAY))))


def test_a_step_of_which_another_source_has_yet_to_say_opens_and_does_not_close(watch: Watch) -> None:
    assert Change.OPENED in changes(fed(watch, of_x(STORM), settled=False))
    assert Change.CLOSED not in changes(fed(watch, of_x(calm(AFTER, DAY)), settled=False))
    assert watch.open is not None
    assert Change.CLOSED in changes(fed(watch, of_x(calm(AFTER + DAY, DAY))))


def test_a_source_that_is_behind_is_tested_in_its_own_order(watch: Watch) -> None:
    fed(watch, of_x(calm(NOW, HOUR)))
    found = fed(watch, [{"news": each} for each in STORM])
    assert changes(found)[0] is Change.OPENED
    assert {signal.source for signal in found[0].incident.evidence} == {"news"}


# A look at the step that is being filled


def test_a_look_opens_an_incident_that_the_complete_step_does_not_open_again(watch: Watch) -> None:
    moment = time_of(NOW) + STEP / 2
    crowd = tick(NOW, 60 * RATE, 12 * RATE)
    before = watch.state()
    (update,) = watch.look({"x": crowd}, now=moment)
    assert (update.change, update.at, update.incident.opened_at) == (Change.OPENED, moment, moment)
    assert update.incident.started_at == time_of(NOW)
    assert watch.look({"x": crowd}, now=moment) == []
    after = watch.state()
    assert {name: part for name, part in after.items() if name != "book"} == {
        name: part for name, part in before.items() if name != "book"
    }
    assert Change.OPENED not in changes(watch.observe({"x": crowd}))


def test_looking_however_often_closes_nothing(watch: Watch) -> None:
    fed(watch, of_x(STORM))
    for _ in range(500):
        assert watch.look({"x": tick(AFTER, 0)}, now=time_of(AFTER) + STEP / 2) == []
    assert watch.open is not None


def test_a_look_at_the_usual_is_nothing(watch: Watch) -> None:
    assert watch.look({"x": tick(NOW, RATE), "news": tick(NOW, 0)}, now=time_of(NOW)) == []
    assert watch.open is None


# What is kept


def _storms() -> Steps:
    """A day and a half with a surge of each source, an outage, and a source that comes late."""
    x = put_in(calm(0, 450), surge(330, 5, 60 * RATE, share=0.8))
    news = put_in(calm(0, 450), surge(380, 5, 60 * RATE))
    steps = both(x, news)
    for at in range(400, 420):
        del steps[at]["news"]
    for at in range(425, 450):
        steps[at]["radio"] = x[at]
    return steps


@pytest.mark.parametrize("split", [0, 1, 299, 331, 336, 383, 405, 426, 449])
def test_a_watch_that_was_saved_goes_on_as_if_nothing_had_been(split: int) -> None:
    rule, steps = Rule(calm_minutes=20, cooldown_hours=1), _storms()
    whole_time, first = Watch(rule), Watch(rule)
    expected = [_gist(whole_time.observe(step)) for step in steps]
    assert {change for told in expected for change, *_ in told} >= {Change.OPENED, Change.CLOSED}
    fed(first, steps[:split])
    second = Watch.restored(rule, json.loads(json.dumps(first.state())))
    assert second.step == first.step
    assert [_gist(second.observe(step)) for step in steps[split:]] == expected[split:]


def _gist(updates: Sequence[Update]) -> list[tuple[Any, ...]]:
    """All that counts but the figures, which are kept to six digits."""
    return [
        (
            each.change,
            each.at,
            each.incident.number,
            each.incident.revision,
            each.incident.kinds,
            each.incident.severity,
            each.incident.started_at,
            each.incident.ended_at,
            pytest.approx(each.incident.size, rel=1e-3),
        )
        for each in updates
    ]


def test_a_watch_goes_on_under_another_rule(watch: Watch) -> None:
    strict = Watch.restored(replace(Rule(), least_size=1e6), watch.state())
    assert fed(strict, of_x(STORM)) == []
    assert changes(fed(watch, of_x(STORM)))[0] is Change.OPENED


def test_what_is_kept_grows_with_the_sources_and_not_with_time(watch: Watch) -> None:
    fed(watch, both(STORM, STORM))
    state = json.loads(json.dumps(watch.state()))
    assert max(len(json.dumps(series)) for series in state["series"].values()) <= 1024
    assert len(json.dumps(state)) < len(json.dumps(state["series"])) + 8_000


def test_numbers_go_on_from_where_they_are_told_to() -> None:
    watch = Watch(Rule(), next_number=7)
    updates = fed(watch, of_x([*calm(0, DAY), *surge(DAY, 4, 100 * RATE)]))
    assert updates[0].incident.number == 7


# A replay


def test_a_replay_is_what_observing_step_by_step_finds() -> None:
    rule, steps = Rule(calm_minutes=20, cooldown_hours=1), _storms()
    watch = Watch(rule)
    latest: dict[int, Incident] = {}
    for step in steps:
        latest.update({update.incident.number: update.incident for update in watch.observe(step)})
    if watch.open is not None:
        latest[watch.open.number] = watch.open
    found = replay(steps, rule)
    assert found == list(latest.values())
    assert [incident.number for incident in found] == list(range(1, len(found) + 1))
    assert len(found) >= 2


def test_a_replay_ends_with_the_incident_that_is_open_as_it_is_by_then() -> None:
    steps = of_x([*calm(0, DAY), *surge(DAY, 8, 60 * RATE)])
    (found,) = replay(steps, Rule())
    assert found.is_open
    assert found.updated_at == time_of(DAY + 8)


def test_since_leaves_out_what_opened_before_and_learns_from_it() -> None:
    rule, steps = Rule(calm_minutes=20, cooldown_hours=1), _storms()
    found = replay(steps, rule)
    for incident in found:
        later = [each for each in found if each.opened_at >= incident.opened_at]
        assert replay(steps, rule, since=incident.opened_at) == later
    assert replay(steps, rule, since=time_of(DAY * 30)) == []


def test_a_replay_may_have_steps_of_another_length() -> None:
    ticks = [replace(each, start=time_of(0) + 3 * (each.start - time_of(0))) for each in calm(0, DAY)]
    storm = [replace(each, start=time_of(3 * DAY + 3 * at)) for at, each in enumerate(surge(0, 4, 100 * RATE))]
    (found,) = replay(of_x([*ticks, *storm]), Rule(), step=3 * STEP)
    assert found.started_at == time_of(3 * DAY)
    assert found.updated_at == time_of(3 * DAY + 12)

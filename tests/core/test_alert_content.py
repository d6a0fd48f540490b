from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from app.core.alert_content import Alert, incident_url, most_severe_first, quote
from app.core.incidents import Severity
from tests.fakes.alerts import entry
from tests.fakes.clock import START


def test_a_subject_names_the_severity_the_event_and_what_happened() -> None:
    assert Alert("m", (entry(text=""),)).subject == "HIGH: Launch: incident 1 opened as high: negative share"
    assert Alert("m", (entry(text=""), entry(2), entry(3))).subject == (
        "HIGH: 3 incidents, Launch: incident 1 opened as high: negative share and 2 more"
    )
    assert Alert("m").subject == "EventPulse: test of this channel"


def test_what_is_not_shown_is_counted() -> None:
    alert = Alert("m", tuple(entry(number) for number in range(17)))
    assert [alert.others(shown) for shown in (5, 16, 17, 20)] == ["12 more", "1 more", "", ""]


def test_the_most_severe_and_then_the_earliest_comes_first() -> None:
    later = START + timedelta(hours=1)
    mixed = [
        entry(1, severity=Severity.WATCH),
        entry(2, started_at=later),
        entry(3),
        entry(4, severity=Severity.CRITICAL, started_at=later),
    ]
    assert [each.number for each in most_severe_first(mixed)] == [4, 3, 2, 1]


@given(st.text(), st.integers(2, 400))
def test_a_quote_is_one_short_line_without_controls(text: str, longest: int) -> None:
    line = quote(text, longest)
    assert len(line) <= longest
    assert len(line.splitlines()) <= 1
    assert not set(line) & set("\x00\x1b\x7f\u202e\u2066\u200b")


def test_the_address_of_an_incident_holds_any_id() -> None:
    assert incident_url("https://pulse.example.org/", "a&b=c d/é", 3) == (
        "https://pulse.example.org/incidents?event=a%26b%3Dc+d%2F%C3%A9&incident=3"
    )

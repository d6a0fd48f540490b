from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from app.core.prevalence import Share, difference, share
from app.core.types import CLASSES, Count, Event, Label, SourceState, SourceStatus
from app.dashboard.headline import headline, sentence
from app.views import Basis, Correction, Overview
from tests.dashboard.rig import NOON

CORRECTED = Correction(True, ("minilm-7",), ("a-set", "b-set"), 4_000, 0, None)
PLAIN = Correction(False, ("minilm-7",), (), 0, 0, "the errors of minilm-7 were not measured")


def overview(
    counts: tuple[int, int, int, int],
    before: tuple[int, int] | None = None,
    name: str = "Launch",
    correction: Correction = CORRECTED,
) -> Overview:
    """Of negative, neutral, positive and unscored messages; `before` is the negative and scored ones."""
    found = {label: Count(number, number) for label, number in zip(Label, counts, strict=True)}
    scored = sum(counts[:3])
    shares = {label: made for label in CLASSES if (made := share(found[label].distinct, scored))}
    previous = share(*before) if before else None
    now = shares.get(Label.NEGATIVE)
    total = sum(found.values(), Count())
    basis = Basis(total.raw, total.distinct, counts[3], ("minilm-7",), NOON, ("newsapi",))
    change = difference(now, previous) if now and previous else None
    start = NOON - timedelta(hours=24)
    event = Event("launch", name, "launch")
    return Overview(event, start, NOON, found, shares, shares, correction, previous, change, basis, 1)


def test_a_share_comes_with_its_interval_its_change_and_what_it_rests_on() -> None:
    assert sentence(overview((400, 400, 376, 23), (160, 900))) == (
        "Negative share 34 % (31-37), up from 18 %: higher, by 12 to 20 points; "
        "1,199 messages, 1,199 distinct, 23 not scored (other languages)."
    )


def test_a_fall_is_told_in_points_too() -> None:
    assert sentence(overview((100, 500, 400, 0), (300, 1000))) == (
        "Negative share 10 % (8-12), down from 30 %: lower, by 17 to 23 points; 1,000 messages, 1,000 distinct."
    )


def test_a_difference_that_can_not_be_told_says_so() -> None:
    assert sentence(overview((14, 20, 10, 0), (13, 41))) == (
        "Negative share 32 % (20-47), 32 % before: no difference we can tell (n = 41); 44 messages, 44 distinct."
    )


def test_a_small_sample_says_so() -> None:
    assert sentence(overview((4, 4, 4, 1))) == (
        "Negative share 33 % (14-61), nothing before to compare with; a small sample, 12 scored; "
        "13 messages, 13 distinct, 1 not scored (other languages)."
    )


def test_without_a_window_before_nothing_is_compared() -> None:
    assert sentence(overview((4, 4, 4, 0)), compare=False) == (
        "Negative share 33 % (14-61); a small sample, 12 scored; 12 messages, 12 distinct."
    )


def test_no_messages_and_no_scored_messages_are_no_share() -> None:
    assert sentence(overview((0, 0, 0, 0))) == "No messages in this window."
    assert sentence(overview((0, 0, 0, 1))) == ("No share yet: 1 message, 1 distinct, 1 not scored (other languages).")


def test_the_headline_names_the_model_the_edge_and_the_sources_that_are_missing_or_late() -> None:
    late = SourceStatus("launch", "replay", SourceState.LIVE, lag_s=912.0)
    html = headline(overview((40, 40, 40, 0)), [late])
    assert "minilm-7" in html
    assert "12:00:00 UTC</time>" in html
    assert "without <bdi>NewsAPI</bdi>" in html
    assert "<bdi>Recording</bdi> 15 min behind" in html
    assert "Positive 33\u00a0% (26-42)" in html


@pytest.mark.parametrize("compare", [True, False])
def test_the_headline_says_the_whole_sentence(compare: bool) -> None:
    made = overview((4, 4, 4, 0), (3, 9))
    inner = headline(made, compare=compare).split("<h1>")[1].split("</h1>")[0]
    for tag in (
        "<strong>",
        "</strong>",
        '<span class="ep-comma">',
        '<span class="ep-rest">',
        '<span class="ep-whole">',
        "</span>",
    ):
        inner = inner.replace(tag, "")
    assert inner.replace("\u00a0", " ") == sentence(made, compare=compare).replace("'", "&#x27;")


def test_a_share_that_was_corrected_has_the_uncorrected_one_a_click_away_and_what_it_was_measured_on() -> None:
    made = overview((40, 40, 40, 0))
    plain = {label: Share(0.5, 0.4, 0.6, 120) for label in CLASSES}
    html = headline(replace(made, classified=plain))
    folded = html[html.index("<details") : html.index("</details>")].replace("\u00a0", " ")
    assert "Corrected for the classifier's errors</summary>" in folded
    assert "<td>33 % (26-42)</td><td>50 % (40-60)</td>" in folded
    assert "120 messages, 120 distinct" in folded
    assert "measured on 2 labelled sets (4,000 texts)." in folded
    assert 'href="feedback?event=launch"' in folded


def test_messages_that_people_judged_are_named() -> None:
    html = headline(overview((40, 40, 40, 0), correction=replace(CORRECTED, labelled=34)))
    assert "(4,000 texts) and on 34 messages of this event that people judged." in html
    assert "Nobody has judged" not in html


def test_a_share_that_was_not_corrected_says_so_and_why() -> None:
    html = headline(overview((40, 40, 40, 0), correction=PLAIN))
    assert "Not corrected for the classifier's errors (<bdi>the errors of minilm-7 were not measured</bdi>)" in html
    assert "<details" not in html
    assert "corrected" not in headline(overview((0, 0, 0, 3), correction=PLAIN)).lower()

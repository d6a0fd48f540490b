from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from app.core.feedback import Agreement, LiveQuality, Stratum
from app.core.prevalence import Share, share
from app.dashboard.feedback_words import facts, lead, still_to_judge, summary
from app.services.feedback import FeedbackSummary, ModelQuality

NOTHING = LiveQuality(None, ((0, 0, 0),) * 3, None, 0)
SOME = LiveQuality(share(103, 143), ((30, 10, 2), (9, 40, 9), (2, 8, 33)), share(6, 149), 2)
STRATA = dict.fromkeys(Stratum, 0)
HOSTILE = "<img src=x onerror=alert(1)>"


def found(quality: LiveQuality = SOME, **fields: Any) -> FeedbackSummary:
    made = FeedbackSummary(
        event_id="cup",
        quality=quality,
        overall=quality,
        models=(),
        messages=203,
        people=2,
        strata=STRATA | {Stratum.RANDOM: 149, Stratum.UNCERTAIN: 54},
        disputed=0,
        agreement=None,
        ceiling=None,
    )
    return replace(made, **fields)


def of(part: int, whole: int) -> Share:
    made = share(part, whole)
    assert made is not None
    return made


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", html)).replace("\u00a0", " ")


def test_the_sentence_on_top_has_its_interval_and_what_it_rests_on() -> None:
    said = words(lead(SOME.accuracy))
    assert said == "The model is right on 72 % (64-79) of messages, by 143 that were drawn at random and judged."


def test_a_small_sample_is_called_one_and_has_no_bare_share() -> None:
    assert words(lead(share(8, 10))) == ("Right on 8 of 10 messages drawn at random: too few to tell (49-94 %).")


def test_without_a_draw_there_is_no_accuracy() -> None:
    assert "no message drawn at random has been judged" in lead(None)


def test_without_labels_the_panel_says_what_comes() -> None:
    said = words(summary(found(NOTHING, messages=0, people=0, strata=STRATA)))
    assert "No labels yet. After some thirty messages" in said


def test_the_facts_are_said_in_sentences() -> None:
    agreed = Agreement(of(33, 41), 0.712)
    said = facts(
        found(ceiling=agreed, agreement=Agreement(of(1, 2), None), overall=replace(SOME, accuracy=share(9, 12)))
    )
    assert said == [
        "For ± 5 points judge about 170 more that are drawn at random.",
        "Off-topic: 4 % (2-9) of 149 drawn; 2 were skipped.",
        "People agree on 80 % (66-90) of 41 drawn that two or more judged, Krippendorff’s alpha 0.71. "
        "It is what a model can be measured against.",
        "All events together: right on 75 % (47-91), n = 12.",
        "203 messages judged by 2 people: 149 drawn at random, 54 because the model was unsure.",
    ]


def test_agreement_on_what_was_not_drawn_is_no_yardstick() -> None:
    said = " ".join(facts(found(agreement=Agreement(of(1, 2), None), people=1)))
    assert "People agree on 50 % (9-91) of 2 judged that two or more judged." in said
    assert "measured against" not in said
    assert "by 1 person:" in said


def test_facts_that_nothing_is_known_of_are_left_out() -> None:
    said = facts(found(NOTHING))
    assert said == ["203 messages judged by 2 people: 149 drawn at random, 54 because the model was unsure."]


@pytest.mark.parametrize(
    ("accuracy", "more"),
    [(None, 0), (share(8, 10), 0), (share(50, 100), 290), (share(350, 400), 0), (share(100, 100), 0)],
)
def test_how_many_more_for_five_points(accuracy: Share | None, more: int) -> None:
    assert still_to_judge(accuracy) == more


def test_the_confusion_says_which_way_round_it_is() -> None:
    html = summary(found())
    assert "The model said" in html
    assert re.findall(r"<td[^>]*>(\d+)</td>", html) == ["30", "10", "2", "9", "40", "9", "2", "8", "33"]
    assert html.count('class="ep-right"') == 3
    assert "Where it errs" not in summary(found(NOTHING))


def test_versions_are_told_apart_and_their_names_are_only_text() -> None:
    two = (ModelQuality(HOSTILE, SOME), ModelQuality("v1", replace(SOME, accuracy=share(1, 4))))
    html = summary(found(models=two))
    assert "<img" not in html
    assert "25 % (5-70)" in words(html)
    assert "By version" not in summary(found(models=two[:1]))


def test_it_says_that_the_counts_stay_the_models() -> None:
    assert "Labels change no count on the other pages" in words(summary(found()))

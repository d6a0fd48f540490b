"""Published macro-averaged recalls on the frozen test set, TweetEval's sentiment task (SemEval-2017 task 4A)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Published:
    """A figure that others report, in 0..1, and where."""

    name: str
    macro_recall: float
    source: str


LADDER = (
    Published("VADER", 0.570, "measured for this project with vaderSentiment 3.3.2, compound at +-0.05"),
    Published("SVM", 0.629, "Barbieri et al. 2020, arXiv 2010.12421"),
    Published("FastText", 0.629, "Barbieri et al. 2020, arXiv 2010.12421"),
    Published("RoBERTa-base", 0.713, "Barbieri et al. 2020, arXiv 2010.12421"),
    Published("RoBERTa, retrained on tweets", 0.728, "Barbieri et al. 2020, arXiv 2010.12421, leaderboard"),
    Published("BERTweet", 0.734, "Nguyen et al. 2020, arXiv 2005.10200; TweetEval leaderboard"),
    Published("TimeLMs-2021", 0.737, "Loureiro et al. 2022, arXiv 2202.03829"),
)


def beside(measured: Iterable[str]) -> tuple[Published, ...]:
    """The published figures to set beside classifiers of these names: not one that is measured again."""
    names = {name.casefold() for name in measured}
    return tuple(each for each in LADDER if each.name.casefold() not in names)

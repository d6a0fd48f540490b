"""Baselines that sit in the same table as the model: the commonest class, a word list, and a linear model.

They are classifiers like the others (`app.adapters.classifiers.Classifier`), so that all are measured the same way.
The linear model is fitted anew each time, in seconds to a minute, rather than stored: it would have to be a pickle.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, Pipeline
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from app.core.text import clean, model_text
from app.core.types import CLASSES, Label, Prediction
from pipelines.dataset import LabelledTexts

ENGLISH = frozenset({"en"})
VADER_THRESHOLD = 0.05
_C = 1.0


class Majority:
    """Says the commonest class of the training labels to everything, with the shares of the classes there."""

    model = "majority"
    languages = ENGLISH

    def __init__(self, labels: Sequence[int]) -> None:
        counts = Counter(labels)
        negative, neutral, positive = (counts[i] / len(labels) for i in range(len(CLASSES)))
        label = CLASSES[max(range(len(CLASSES)), key=lambda i: counts[i])]
        self._answer = Prediction(label, (negative, neutral, positive), self.model, "constant")

    def classify(self, texts: Sequence[str]) -> list[Prediction]:
        """The same prediction for each text."""
        return [self._answer] * len(texts)


class Vader:
    """The word list of Hutto and Gilbert (2014) with its own thresholds on the compound score, +-0.05.

    Its outputs are a scale, no probabilities: the compound score drawn so that the label is the largest of the three.
    """

    model = "vader"
    languages = ENGLISH

    def __init__(self) -> None:
        self._analyser = SentimentIntensityAnalyzer()

    def classify(self, texts: Sequence[str]) -> list[Prediction]:
        """One prediction a text, in order; handles and links are left as they are, as VADER expects."""
        return [self._prediction(self._analyser.polarity_scores(clean(text))["compound"]) for text in texts]

    def _prediction(self, compound: float) -> Prediction:
        size = abs(compound)
        if size < VADER_THRESHOLD:
            tone = 0.5 * size / VADER_THRESHOLD
        else:
            tone = 0.5 + 0.5 * (size - VADER_THRESHOLD) / (1 - VADER_THRESHOLD)
        negative, positive = (tone, 0.0) if compound < 0 else (0.0, tone)
        toned = Label.NEGATIVE if compound < 0 else Label.POSITIVE
        label = toned if size >= VADER_THRESHOLD else Label.NEUTRAL
        return Prediction(label, (negative, 1 - tone, positive), self.model, "word-list")


class TfidfLinear:
    """Words and pairs of words, runs of three to five letters within words; logistic regression on their TF-IDF.

    The classes weigh alike (macro recall is the aim); C is fixed at 1, chosen on nothing.
    """

    model = "tfidf-linear"
    languages = ENGLISH

    def __init__(self, train: LabelledTexts) -> None:
        features = FeatureUnion(
            [
                ("words", TfidfVectorizer(ngram_range=(1, 2), min_df=3, sublinear_tf=True, dtype=np.float32)),
                (
                    "letters",
                    TfidfVectorizer(
                        analyzer="char_wb", ngram_range=(3, 5), min_df=5, sublinear_tf=True, dtype=np.float32
                    ),
                ),
            ]
        )
        linear = LogisticRegression(C=_C, class_weight="balanced", solver="lbfgs", max_iter=200, tol=1e-3)
        self._pipeline: Any = Pipeline([("features", features), ("linear", linear)])
        self._pipeline.fit(list(train.texts), list(train.labels))
        if list(self._pipeline.classes_) != list(range(len(CLASSES))):
            raise ValueError(f"the training texts hold only the classes {list(self._pipeline.classes_)}")

    def classify(self, texts: Sequence[str]) -> list[Prediction]:
        """One prediction a text, in order."""
        if not texts:
            return []
        rows = self._pipeline.predict_proba([model_text(text) for text in texts])
        return [self._prediction(row) for row in rows]

    def _prediction(self, row: Any) -> Prediction:
        negative, neutral, positive = (float(value) for value in row)
        return Prediction(CLASSES[int(np.argmax(row))], (negative, neutral, positive), self.model, "scikit-learn")

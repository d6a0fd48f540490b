"""The metrics that Ray exports to Prometheus, with their names and labels in one place.

Ray adds the deployment and the replica. Outside Ray the numbers go nowhere.
"""

from __future__ import annotations

from ray.util.metrics import Counter, Histogram

_SECONDS = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0]


class Telemetry:
    """The metrics of classification."""

    def __init__(self) -> None:
        self.texts = Counter(
            "eventpulse_classified_texts_total",
            description="Texts that an arm has answered, from the cache or not.",
            tag_keys=("arm", "model", "backend"),
        )
        self.remembered = Counter(
            "eventpulse_remembered_texts_total",
            description="Texts that were answered from the cache.",
            tag_keys=("arm",),
        )
        self.failures = Counter(
            "eventpulse_unanswered_texts_total",
            description="Texts that an arm did not answer: overloaded, failed, or skipped by a shadow.",
            tag_keys=("arm", "reason"),
        )
        self.seconds = Histogram(
            "eventpulse_classify_seconds",
            description="Time of a request inside the router.",
            boundaries=_SECONDS,
            tag_keys=("arm",),
        )

"""The metrics that Ray exports to Prometheus, with their names and labels in one place.

Ray adds the deployment and the replica. Outside Ray the numbers go nowhere.
"""

from __future__ import annotations

from ray.util.metrics import Counter, Histogram

_SECONDS = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0]
_LONG_SECONDS = [1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0]


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


class DetectionMetrics:
    """The metrics of the spike detector."""

    def __init__(self) -> None:
        self.seconds = Histogram(
            "eventpulse_detect_seconds",
            description="Time of a test of one event, its history replayed or not.",
            boundaries=_SECONDS,
        )
        self.changes = Counter(
            "eventpulse_incident_changes_total",
            description="Changes of incidents that were told.",
            tag_keys=("change", "severity"),
        )
        self.late = Counter(
            "eventpulse_late_messages_total",
            description="Messages that came for a step which had been tested already.",
        )
        self.failures = Counter(
            "eventpulse_detect_failures_total", description="Tests that the database refused; they are done again."
        )
        self.noticed = Histogram(
            "eventpulse_notice_seconds",
            description="Time from the first message of an incident in the store to the incident.",
            boundaries=_LONG_SECONDS,
        )


class AlertMetrics:
    """What becomes of alerts."""

    def __init__(self) -> None:
        self.messages = Counter(
            "eventpulse_alert_messages_total",
            description="Messages to channels: sent, to be tried again, or failed for good.",
            tag_keys=("kind", "outcome"),
        )
        self.seconds = Histogram(
            "eventpulse_alert_seconds",
            description="Time from a change of an incident being stored to its delivery, digests and floods included.",
            boundaries=_LONG_SECONDS,
            tag_keys=("kind",),
        )


class InsightMetrics:
    """How long people take."""

    def __init__(self) -> None:
        self.seconds = Histogram(
            "eventpulse_insight_seconds",
            description="Time from an incident being noticed to it being shown, its evidence opened, a verdict given.",
            boundaries=_LONG_SECONDS,
            tag_keys=("step",),
        )

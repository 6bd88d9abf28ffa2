"""The metrics of live monitoring: what reviews, drift and canaries say. Measured on a schedule, shown until the next.

A rate without enough reviews has no series: no number is better than one that says nothing. With several workers the
first one measures, and the others have none of these.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Metric

RATES = ("false_refusal", "block_error", "miss")
_RATE = ("policy", "window", "kind")
_DRIFT = ("policy", "against", "window")
_GAUGES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "false_refusal": (
        "guard_false_refusal_ratio",
        "Wrongly refused of all harmless requests, from reviews: estimate, and 95 % interval.",
        _RATE,
    ),
    "block_error": (
        "guard_block_error_ratio",
        "Wrongly refused of all refused requests, from reviews: estimate, and 95 % interval.",
        _RATE,
    ),
    "miss": (
        "guard_miss_ratio",
        "Wrongly let through of all unsafe requests, from reviews: estimate, and 95 % interval.",
        _RATE,
    ),
    "reviewed": ("guard_reviewed_decisions", "Reviews of a window that its rates rest on.", ("policy", "window")),
    "response": (
        "guard_review_response_ratio",
        "Share of a window's sample that was reviewed.",
        ("policy", "window"),
    ),
    "agreement": (
        "guard_review_agreement_ratio",
        "Kappa of reviewers who labelled the same decisions, over seven days.",
        ("policy",),
    ),
    "near": (
        "guard_near_threshold_ratio",
        "Share of the last day's scored decisions that lie near their threshold.",
        ("policy",),
    ),
    "psi": ("guard_score_drift_psi", "How far a window's scores have moved: population stability index.", _DRIFT),
    "psi_limit": (
        "guard_score_drift_limit_psi",
        "What it exceeds by chance in one look of 1,000 at independent requests (an hour: of 24,000).",
        _DRIFT,
    ),
    "ks": ("guard_score_drift_ks_ratio", "How far a window's scores have moved: Kolmogorov and Smirnov.", _DRIFT),
    "ks_limit": (
        "guard_score_drift_limit_ks_ratio",
        "What it exceeds by chance in one look of 1,000 at independent requests (an hour: of 24,000).",
        _DRIFT,
    ),
    "open": ("guard_reviews_open", "Decisions that were drawn for review and wait for it.", ()),
    "oldest": ("guard_review_oldest_seconds", "How long the oldest of them has waited; 0 where none does.", ()),
}


@dataclass(frozen=True, slots=True)
class LiveValue:
    """One value to show: the gauge's key, and its labels in order."""

    gauge: str
    labels: tuple[str, ...]
    value: float


class _Momentary(Gauge):
    """A gauge that has no sample before it is set, nor after it was cleared; with labels or without."""

    _is_known = False

    def set(self, value: float) -> None:
        super().set(value)
        self._is_known = True

    def clear(self) -> None:
        if self._labelnames:
            super().clear()
        self._is_known = False

    def collect(self) -> Iterable[Metric]:
        found = list(super().collect())
        if not self._labelnames and not self._is_known:
            for metric in found:
                metric.samples = []
        return found


class LiveFigures:
    """Gauges that are set together, after a measurement, in the event loop: a page never has half of them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._gauges = {
            key: _Momentary(name, text, labels, registry=registry) for key, (name, text, labels) in _GAUGES.items()
        }
        self._measured_at = Gauge(
            "guard_live_timestamp_seconds",
            "When these figures were measured; 0 before the first time.",
            registry=registry,
        )
        self._labels = Counter(
            "guard_reviews_total",
            "Labels given while this Guard served: by whom, on what policy intended, and what they say.",
            ("source", "action", "label"),
            registry=registry,
        )
        self._canary = Gauge(
            "guard_canary_ratio",
            "Canaries that the guard judged wrongly in the last run, by what the error is.",
            ("policy", "kind"),
            registry=registry,
        )
        self._canary_at = Gauge(
            "guard_canary_timestamp_seconds",
            "When canaries were last judged; 0 before the first time.",
            registry=registry,
        )

    def show(self, values: Iterable[LiveValue], *, at: float | None = None) -> None:
        """Show these values, and no earlier ones.

        Args:
            at: when they were measured; None: nothing could be, and the last time at which something was stays.
        """
        for gauge in self._gauges.values():
            gauge.clear()
        for value in values:
            gauge = self._gauges[value.gauge]
            (gauge.labels(*value.labels) if value.labels else gauge).set(value.value)
        if at is not None:
            self._measured_at.set(at)

    def labelled(self, *, source: str, action: str, label: str) -> None:
        """Count a label."""
        self._labels.labels(source, action, label).inc()

    def canaries(self, at: float, wrong: Iterable[tuple[str, float, float]]) -> None:
        """Show by policy which shares of the harmless and of the harmful canaries were judged wrongly, and when."""
        self._canary.clear()
        for policy, refused, missed in wrong:
            self._canary.labels(policy, "false_refusal").set(refused)
            self._canary.labels(policy, "miss").set(missed)
        self._canary_at.set(at)

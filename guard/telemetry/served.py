"""The metrics of what judges: the bundle, its thresholds, and how many false refusals they may make.

Two kinds of limits stand apart: a certificate's, which was proven on data, and one that the operator declared, which is
what is wanted and proves nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from prometheus_client import CollectorRegistry, Gauge

from guard.manifest import OperatingPoint
from guard.ports import ScorerInfo
from guard.telemetry.labels import NONE


@dataclass(frozen=True, slots=True)
class Shown:
    """What the metrics say about the bundle that judges."""

    info: ScorerInfo
    gate: str
    points: Mapping[str, OperatingPoint]


class ServedFigures:
    """Gauges that are set when a bundle begins to judge, in place of those of the one before."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(name, text, labels, registry=registry)

        self.shown: Shown | None = None
        self._bundle = gauge(
            "guard_bundle_info",
            "The bundle that judges; always 1.",
            *("bundle", "digest", "backend", "provider", "precision", "gate"),
        )
        self._threshold = gauge(
            "guard_threshold_ratio",
            "Probability from which a pair is unsafe: of kind block, or of kind output where answers are judged.",
            *("policy", "kind"),
        )
        self._certified = gauge(
            "guard_certified_false_refusal_ratio",
            "Certified limit of false refusals at the threshold, and the estimate beside it.",
            *("policy", "kind"),
        )
        self._declared = gauge(
            "guard_declared_false_refusal_limit_ratio",
            "Limit of false refusals that the operator declared (monitor.false_refusal_limits): wanted, not proven.",
            "policy",
        )

    def bundle(self, info: ScorerInfo, *, gate: str = NONE) -> None:
        """Show the bundle that judges now, in place of an earlier one."""
        self.shown = Shown(info, gate, {} if self.shown is None else self.shown.points)
        self._bundle.clear()
        self._bundle.labels(info.bundle, info.digest, info.backend, info.provider, info.precision, gate).set(1)

    def operating_points(self, points: Mapping[str, OperatingPoint]) -> None:
        """Show the threshold of each policy, and its certificate if it has one, in place of earlier ones."""
        if self.shown is not None:
            self.shown = replace(self.shown, points=points)
        self._threshold.clear()
        self._certified.clear()
        for policy, point in points.items():
            self._threshold.labels(policy, "block").set(point.threshold)
            proven = point.certificate
            if proven is not None and proven.rate == "false_refusal" and proven.category is None:
                self._certified.labels(policy, "limit").set(proven.limit)
                self._certified.labels(policy, "estimate").set(proven.estimate)

    def output_thresholds(self, thresholds: Mapping[str, float]) -> None:
        """Show from which probability on answers are unsafe, by policy, beside what `operating_points` showed."""
        for policy, threshold in thresholds.items():
            self._threshold.labels(policy, "output").set(threshold)

    def declared_limits(self, limits: Mapping[str, float]) -> None:
        """Show which share of harmless requests the operator lets each policy refuse, in place of earlier ones."""
        self._declared.clear()
        for policy, limit in limits.items():
            self._declared.labels(policy).set(limit)

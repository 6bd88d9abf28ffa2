"""The metrics of second opinions: how many pairs a judge was asked about, what it said, and what that cost."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from guard.telemetry.children import Children
from guard.telemetry.labels import OTHER
from guard.types import Action

# The judge's verdict, or why there is none.
RESULTS = ("safe", "unsafe", "judge_failed", "judge_timeout", "judge_undecided", "judge_over_budget", "judge_paused")


class JudgingFigures:
    """Metrics of the judge; how long it took is `guard_stage_seconds` of the stage judge."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._opinions = Children(
            Counter(
                "guard_judge_opinions_total",
                "Pairs in the judge's band: what the guard alone would have done, and the judge's verdict or why none.",
                ("policy", "guard", "result"),
                registry=registry,
            ).labels
        )
        self._dollars = Counter(
            "guard_judge_dollars_total", "What calls of the judge were charged with.", registry=registry
        )
        self._paused = Gauge(
            "guard_judge_paused_workers",
            "Workers that leave the judge alone after it failed in a row.",
            registry=registry,
        )

    def opinion(self, policy: str, intended: Action, result: str) -> None:
        """Count a pair in the band."""
        self._opinions(policy, intended.value, result if result in RESULTS else OTHER).inc()

    def charged(self, dollars: float) -> None:
        """Count what a call cost."""
        self._dollars.inc(dollars)

    def paused(self, is_paused: bool) -> None:
        """Show whether the judge is left alone."""
        self._paused.set(int(is_paused))

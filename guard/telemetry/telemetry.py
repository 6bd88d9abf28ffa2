"""Every metric of Guard, in one class with its own registry. Label sets are closed, whatever callers send.

Names are a promise to users; the verbs are for the rest of Guard.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, ProcessCollector
from prometheus_client.exposition import choose_encoder

from guard.telemetry.children import Children
from guard.telemetry.judging import JudgingFigures
from guard.telemetry.labels import NONE, OTHER, STAGES, STATUSES, code_label
from guard.telemetry.live import LiveFigures
from guard.telemetry.served import ServedFigures
from guard.types import SCENARIOS, Decision, ImageResult

_SECONDS = (0.0002, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.125, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_PROBABILITIES = tuple(step / 20 for step in range(1, 21))
_READINGS = (1, 2, 3, 4, 6, 8, 12, 16)


class Telemetry:
    """Guard's metrics. One instance a process; each test its own.

    Args:
        registry: where the metrics are kept; None makes a new one, with the figures of the process beside Guard's.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = CollectorRegistry() if registry is None else registry
        if registry is None:
            ProcessCollector(registry=self.registry)
        self._make_counters()
        self._make_histograms()
        self._make_gauges()
        self.served = ServedFigures(self.registry)
        self.live = LiveFigures(self.registry)
        self.judging = JudgingFigures(self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Children[Counter]:
        return Children(Counter(name, text, labels, registry=self.registry).labels)

    def _make_counters(self) -> None:
        self._requests = self._counter(
            "guard_requests_total",
            "Requests answered, by what was done with them.",
            *("route", "policy", "mode", "action"),
        )
        self._tenants = self._counter(
            "guard_tenant_requests_total",
            "Requests answered, by tenant; default for whoever is none.",
            *("tenant", "action"),
        )
        self._decisions = self._counter(
            "guard_decisions_total",
            "Decisions, by what was thought, meant and done.",
            *("direction", "verdict", "intended", "action", "basis", "cause", "policy"),
        )
        self._categories = self._counter(
            "guard_categories_total",
            "Unsafe decisions, by the category that was decisive; other where an attack was.",
            *("direction", "category", "intended"),
        )
        self._images = self._counter("guard_images_total", "Pictures, judged or why not.", "result", "reason")
        self._parts = self._counter(
            "guard_unjudged_parts_total", "Parts other than pictures that Guard could not judge, by code.", "code"
        )
        self._rejected = self._counter("guard_rejected_total", "Requests refused before any judging.", "reason")
        self._errors = self._counter(
            "guard_errors_total", "Failures inside Guard, and what was done about them.", "stage", "code", "action"
        )
        self._dropped = Counter(
            "guard_audit_dropped_total", "Decisions that the store could not keep.", registry=self.registry
        )
        self._cache = self._counter("guard_cache_requests_total", "Look-ups in the verdict cache.", "result")
        self._upstream = self._counter(
            "guard_upstream_requests_total", "Requests to the LLM API, by HTTP status or failure.", "code"
        )

    def _make_histograms(self) -> None:
        self._stages = Children(
            Histogram(
                "guard_stage_seconds", "Time in one stage.", ("stage",), registry=self.registry, buckets=_SECONDS
            ).labels
        )
        for stage in STAGES:
            self._stages(stage)
        self._added = Children(
            Histogram(
                "guard_added_latency_seconds",
                "What a request waited for Guard before it was sent on or refused.",
                ("route",),
                registry=self.registry,
                buckets=_SECONDS,
            ).labels
        )
        self._probability = Children(
            Histogram(
                "guard_probability",
                "Calibrated probability of decisions that rest on a score.",
                ("direction", "policy"),
                registry=self.registry,
                buckets=_PROBABILITIES,
            ).labels
        )

        self._batch = Histogram(
            "guard_batch_pairs",
            "Readings of a pair, itself among them, that the scorer takes in one call.",
            registry=self.registry,
            buckets=_READINGS,
        )

    def _make_gauges(self) -> None:
        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(name, text, labels, registry=self.registry)

        self._inflight = gauge("guard_inflight_requests", "Requests being answered now.")
        self._queued = gauge("guard_queue_pairs", "Pairs that wait for the scorer now.")

    def request(self, *, route: str, policy: str, mode: str, action: str) -> None:
        """Count an answered request; `route` is a pattern of Guard's own table, never the caller's path."""
        self._requests(route, policy, mode, action).inc()

    def tenant(self, name: str, action: str) -> None:
        """Count an answered request of a tenant of the configuration."""
        self._tenants(name, action).inc()

    def decision(self, decision: Decision) -> None:
        """Count a decision, its decisive category if it is unsafe, and its probability if it has one."""
        self._decisions(
            decision.direction.value,
            decision.verdict.value,
            decision.intended.value,
            decision.action.value,
            decision.basis.value,
            decision.cause.value if decision.cause else NONE,
            decision.policy,
        ).inc()
        if decision.probability is not None:
            self._probability(decision.direction.value, decision.policy).observe(decision.probability)
        if decision.rule is not None:
            category = decision.rule.name if decision.rule.name in SCENARIOS else OTHER
            self._categories(decision.direction.value, category, decision.intended.value).inc()

    def stage(self, stage: str, seconds: float) -> None:
        """Observe the time spent in one of `STAGES`."""
        self._stages(stage if stage in STAGES else OTHER).observe(seconds)

    def added_latency(self, route: str, seconds: float) -> None:
        """Observe what a request waited for Guard, upstream left out."""
        self._added(route).observe(seconds)

    def image(self, result: ImageResult) -> None:
        """Count a picture."""
        reason = NONE if result.reason is None else code_label(result.reason)
        self._images("judged" if result.judged else "unjudged", reason).inc()

    def unjudged_part(self, code: str) -> None:
        """Count a part that is no picture and was not judged: audio, a file, a text beyond the windows."""
        self._parts(code_label(code)).inc()

    def rejected(self, reason: str) -> None:
        """Count a request that was refused before any judging, by error code."""
        self._rejected(code_label(reason)).inc()

    def failed(self, stage: str, code: str, action: str) -> None:
        """Count a failure inside Guard, and the action that policy took on it."""
        self._errors(stage if stage in STAGES else OTHER, code_label(code), action).inc()

    def audit_dropped(self, count: int) -> None:
        """Count decisions that were made and not kept; from any thread."""
        self._dropped.inc(count)

    def cache(self, hit: bool) -> None:
        """Count a look-up in the verdict cache."""
        self._cache("hit" if hit else "miss").inc()

    def upstream(self, code: int | str) -> None:
        """Count a request to the LLM API: its HTTP status, or the code of the failure."""
        label = str(code)
        self._upstream(label if label in STATUSES else code_label(label)).inc()

    def began(self) -> None:
        """Count a request in."""
        self._inflight.inc()

    def ended(self) -> None:
        """Count a request out, however it ended."""
        self._inflight.dec()

    @contextmanager
    def queued(self) -> Iterator[None]:
        """Count a pair as waiting for the scorer, for the length of the block."""
        self._queued.inc()
        try:
            yield
        finally:
            self._queued.dec()

    def scored_at_once(self, readings: int) -> None:
        """Observe how many readings of a pair the scorer takes in one call."""
        self._batch.observe(readings)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics without the `_created` series that would double their number."""
        for metric in self.registry.collect():
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric

    def expose(self, accept: str = "") -> tuple[bytes, str]:
        """Return the metrics as a page, and its content type, in the format that an Accept header asks for."""
        encode, content_type = choose_encoder(accept)
        return encode(self), content_type

"""The only file that knows every adapter: settings to a guard that judges."""

import copy
import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from guard.bundle import Bundle
from guard.config import Settings, UpstreamSettings
from guard.core.policies import Policies, make_policies, warnings
from guard.errors import ConfigInvalid
from guard.manifest import OperatingPoint
from guard.perception.fetch import HttpFetcher, NoFetcher
from guard.perception.ocr import HOW_TO_INSTALL, NoReader, RapidOcrReader, is_available
from guard.pipeline import Guard
from guard.ports import Fetcher, ScorerInfo, TextReader, Upstream
from guard.scorers.onnx import OnnxScorer
from guard.second_opinion.opening import band_for, open_cascade
from guard.telemetry import Telemetry
from guard.trust import Trusted, gate_in_use, open_trusted, require_fit, trust
from guard.types import Direction
from guard.upstreams.opening import open_upstreams

if TYPE_CHECKING:
    from guard.store.memory import Memory  # SQLAlchemy takes a third of a second, and only servers need it

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Opened:
    """A guard with its bundle loaded and verified, and what the metrics show about it once it judges."""

    guard: Guard
    info: ScorerInfo
    gate: str  # what the bundle's records say together
    points: Mapping[str, OperatingPoint]  # by policy, with no more of a certificate than holds for it

    @classmethod
    def of(cls, guard: Guard) -> "Opened":
        """Return a guard that somebody else opened, with what its metrics show. Raises ConfigInvalid: nothing."""
        shown = guard.telemetry.served.shown
        if shown is None:
            raise ConfigInvalid("a guard whose metrics show no bundle cannot be served")
        return cls(guard, shown.info, shown.gate, shown.points)

    def announce(self) -> None:
        """Show the guard's bundle and its thresholds in its metrics, in place of those before."""
        served = self.guard.telemetry.served
        served.bundle(self.info, gate=self.gate)
        served.operating_points(self.points)
        served.declared_limits(self.guard.settings.monitor.false_refusal_limits)
        if self.guard.settings.judge_output.enabled:
            policies = self.guard.policies.items()
            thresholds = {name: policy.threshold_of(Direction.OUTPUT) for name, policy in policies}
            served.output_thresholds(thresholds)

    def under(self, policy: str) -> Guard:
        """Return the guard with another of its policies as the one that judges; all the rest is shared."""
        if policy == self.guard.policy.name:
            return self.guard
        guard = copy.copy(self.guard)
        guard.policy = guard.policy_of(policy)
        return guard

    def with_policies(self, settings: Settings) -> "Opened":
        """Return the same guard, its graphs and caches shared, under the policies of other settings.

        Raises:
            ConfigInvalid: a policy does not fit the bundle.
            BundleInvalid: the bundle may not enforce under them.
        """
        trusted = trust(self.guard.bundle, settings)
        policies = _fit(trusted, settings)
        guard = copy.copy(self.guard)
        guard.settings, guard.policy = settings, policies.chosen.policy
        guard.policies = MappingProxyType(policies.policies)
        return Opened(guard, self.info, gate_in_use(trusted, policies.points).value, _covered(policies, settings))


def open_guard(
    settings: Settings | None = None,
    *,
    telemetry: Telemetry | None = None,
    scorer: type[OnnxScorer] = OnnxScorer,
) -> Guard:
    """Return a guard with its bundle loaded and verified.

    Args:
        settings: None takes the defaults: the embedded bundle, its operating point "balanced", fail-closed.
        telemetry: None makes one with a registry of its own.
        scorer: what is made of the bundle's graphs; one that keeps more than scores, where somebody learns from them.

    Raises:
        BundleInvalid: the bundle cannot be used, no configured key signed it, or it may not enforce (`guard.trust`).
        ConfigInvalid: the policy is not in the bundle, onnxruntime or the provider is missing, or a setting is wrong.
    """
    opened = open_unannounced(
        Settings() if settings is None else settings, Telemetry() if telemetry is None else telemetry, scorer=scorer
    )
    opened.announce()
    return opened.guard


def open_unannounced(settings: Settings, telemetry: Telemetry, *, scorer: type[OnnxScorer] = OnnxScorer) -> Opened:
    """Return what `open_guard` opens; the metrics do not show it until it is announced. Raises as `open_guard`."""
    trusted = open_trusted(settings)
    bundle = trusted.bundle
    policies = _fit(trusted, settings)
    threads = settings.threads or os.cpu_count() or 1
    fetcher = _fetcher(settings)
    scoring = scorer(
        bundle,
        threads=threads,
        provider=settings.provider,
        gpu=settings.gpu,
        picture_cache=settings.cache.pictures,
    )
    guard = Guard(
        settings=settings,
        bundle=bundle,
        policy=policies.chosen.policy,
        policies=policies.policies,
        scorer=scoring,
        reader=_reader(settings, threads),
        fetcher=fetcher,
        telemetry=telemetry,
        threads=threads,
        cascade=open_cascade(settings, bundle, policies, telemetry, os.environ),
        is_shown=False,
    )
    return Opened(guard, scoring.info, gate_in_use(trusted, policies.points).value, _covered(policies, settings))


def _fit(trusted: Trusted, settings: Settings) -> Policies:
    """Return the policies of the settings on a bundle that may judge by them, with a warning for each oddity."""
    policies = choose_policies(settings, trusted.bundle)
    if settings.judge.is_set:
        band_for(settings.judge, trusted.bundle, policies)
    require_fit(trusted, policies.points, settings)
    for warning in warnings(policies, settings):
        _log.warning("%s", warning)
    if settings.judge_output.enabled:
        _log.warning(
            "judge_output: answers are judged by thresholds that are not certified for them, chosen on prompts"
        )
    return policies


def _covered(policies: Policies, settings: Settings) -> dict[str, OperatingPoint]:
    points = {name: chosen.covered_point for name, chosen in policies.by_name.items()}
    if not settings.judge.is_set:
        return points
    # What was proven of the thresholds does not hold where a judge overrules them.
    return {name: point.model_copy(update={"certificate": None, "further": ()}) for name, point in points.items()}


def open_memory(settings: Settings, telemetry: Telemetry, environment: Mapping[str, str]) -> "Memory | None":
    """Return where the decisions of a process are kept, not begun yet; None where the settings name no store.

    Raises:
        ConfigInvalid: a secret that the settings name is not there, or too short.
        StoreFailed: the store cannot be opened.
    """
    from guard.monitor.sampling import Sampler
    from guard.store.memory import Memory
    from guard.store.opening import open_kept, open_subjects

    store = open_kept(settings.store, environment, is_served=True)
    if store is None:
        return None
    now = time.time()
    sampler = Sampler(
        settings.review,
        share=1 / settings.workers,
        now=now,
        drawn=store.count_drawn(now - 86_400),
        unseeded=os.urandom(32),
    )
    return Memory(
        store,
        settings.store,
        draw=sampler.draw,
        subjects=open_subjects(settings.store, environment),
        on_dropped=telemetry.audit_dropped,
        now=time.time,
    )


def open_upstream(settings: UpstreamSettings) -> Upstream:
    """Return the LLM API behind Guard. Raises ConfigInvalid where its URL is missing."""
    return open_upstreams(settings, os.environ)


def choose_policies(settings: Settings, bundle: Bundle) -> Policies:
    """Return every policy of the settings on a bundle's operating points. Raises ConfigInvalid: one does not fit it.

    Those are the one that judges by default, one's own, and operating points that a tenant is judged by.
    """
    chosen = make_policies(settings, bundle.manifest, digest=bundle.digest)
    by_name = dict(chosen.by_name)
    for tenant, said in settings.tenants.items():
        if said.policy is None or said.policy in by_name:
            continue
        section = settings.policy.model_copy(update={"name": said.policy, "threshold": None})
        try:
            made = make_policies(
                settings.model_copy(update={"policy": section}), bundle.manifest, digest=bundle.digest
            ).chosen
        except ConfigInvalid as error:
            raise ConfigInvalid(f"tenants.{tenant}.policy: {error}") from error
        by_name[made.policy.name] = made
    for name in settings.monitor.false_refusal_limits:
        if name not in by_name:
            there_are = ", ".join(sorted(by_name))
            raise ConfigInvalid(f"monitor.false_refusal_limits.{name}: no policy of this name judges ({there_are} do)")
    return Policies(chosen.default, MappingProxyType(by_name))


def _fetcher(settings: Settings) -> Fetcher:
    if settings.fetch.allow_networks:
        _log.warning("pictures may be fetched from networks that are not public: fetch.allow_networks")
    return HttpFetcher(settings.fetch, settings.images) if settings.fetch.enabled else NoFetcher()


def _reader(settings: Settings, threads: int) -> TextReader:
    if is_available():
        return RapidOcrReader(threads=threads, remembered=settings.cache.pictures)
    if settings.ocr.mode == "always":
        raise ConfigInvalid(f"ocr.mode: always, but {HOW_TO_INSTALL}")
    if settings.ocr.mode == "auto":
        _log.warning("pictures that seem to hold writing will be unjudged: %s", HOW_TO_INSTALL)
    return NoReader()

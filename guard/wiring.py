"""The only file that knows every adapter: settings to a guard that judges."""

import logging
import os

from guard.bundle import Bundle
from guard.config import Settings, UpstreamSettings
from guard.core.policies import Policies, make_policies, warnings
from guard.core.policy import Policy
from guard.errors import ConfigInvalid
from guard.manifest import OperatingPoint
from guard.perception.fetch import HttpFetcher, NoFetcher
from guard.perception.ocr import HOW_TO_INSTALL, NoReader, RapidOcrReader, is_available
from guard.pipeline import Guard
from guard.ports import Fetcher, TextReader, Upstream
from guard.scorers.onnx import OnnxScorer
from guard.telemetry import Telemetry
from guard.trust import open_trusted, require_fit
from guard.upstreams.passthrough import Passthrough

_log = logging.getLogger(__name__)


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
    settings = Settings() if settings is None else settings
    telemetry = Telemetry() if telemetry is None else telemetry
    trusted = open_trusted(settings)
    bundle = trusted.bundle
    policies = choose_policies(settings, bundle)
    require_fit(trusted, policies.points, settings)
    for warning in warnings(policies, settings.mode):
        _log.warning("%s", warning)
    threads = settings.threads or os.cpu_count() or 1
    fetcher = _fetcher(settings)
    scoring = scorer(
        bundle,
        threads=threads,
        provider=settings.provider,
        gpu=settings.gpu,
        picture_cache=settings.cache.pictures,
    )
    for name, chosen in policies.by_name.items():
        telemetry.operating_point(name, chosen.covered_point)
    return Guard(
        settings=settings,
        bundle=bundle,
        policy=policies.chosen.policy,
        policies=policies.policies,
        scorer=scoring,
        reader=_reader(settings, threads),
        fetcher=fetcher,
        telemetry=telemetry,
        threads=threads,
        release_gate=trusted.gate.value,
    )


def open_upstream(settings: UpstreamSettings) -> Upstream:
    """Return the LLM API behind Guard. Raises ConfigInvalid where its URL is missing."""
    return Passthrough(settings)


def choose_policy(settings: Settings, bundle: Bundle) -> tuple[Policy, OperatingPoint]:
    """Return the policy that judges by default, and its operating point. Raises ConfigInvalid, as `choose_policies`."""
    chosen = choose_policies(settings, bundle).chosen
    return chosen.policy, chosen.point


def choose_policies(settings: Settings, bundle: Bundle) -> Policies:
    """Return every policy of the settings on a bundle's operating points. Raises ConfigInvalid: one does not fit it."""
    return make_policies(settings, bundle.manifest, digest=bundle.digest)


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

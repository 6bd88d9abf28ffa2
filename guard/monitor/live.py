"""Live rates of one policy over one window, read from the store. Blocks for some tens of milliseconds."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from guard.monitor.estimates import Figure, Rates, estimate
from guard.monitor.tallies import Tallies
from guard.stats.agreement import Agreement, kappa
from guard.store.store import Store
from guard.store.values import Count, Sample, Window
from guard.types import Direction

__all__ = ["WINDOWS", "Figure", "LiveRates", "measure", "near_share", "window_named"]

WINDOWS: Mapping[str, float] = {"1h": 3600.0, "24h": 86_400.0, "7d": 604_800.0, "bundle": math.inf}
"""Seconds back from now, by name; `bundle` is all that was decided by the bundle that judges."""


@dataclass(frozen=True, slots=True)
class LiveRates(Rates):
    """The rates of a window, how far its reviewers agree, and how much of its traffic lay near the threshold."""

    window: str
    policy: str
    agreement: Agreement
    near: float | None  # of scored decisions; None where there are none


def measure(
    store: Store,
    policy: str,
    window: str,
    *,
    bundle: str,
    now: float,
    direction: Direction = Direction.INPUT,
    tallies: Tallies | None = None,
) -> LiveRates:
    """Return what reviews say of the decisions under a policy.

    Args:
        window: a name of `WINDOWS`.
        bundle: digest of the one that judges.
        now: unix seconds, at which the window ends.
        tallies: knows the counts of past hours, for who asks again and again; None counts anew.

    Raises:
        KeyError: there is no window of that name.
        StoreFailed: the store does not answer.
    """
    asked = window_named(window, bundle=bundle, now=now)
    # Counts last: what is decided in between is counted, as the estimate allows for, rather than drawn and not counted.
    samples = store.reviewed(asked, policy, direction)
    everything = store.counts(asked, policy=policy) if tallies is None else tallies.counts(asked, policy)
    counts = [count for count in everything if count.direction is direction]
    found = estimate(samples, counts)
    return LiveRates(
        **{name: getattr(found, name) for name in Rates.__slots__},
        window=window,
        policy=policy,
        agreement=_agreement(samples),
        near=near_share(counts),
    )


def window_named(name: str, *, bundle: str, now: float) -> Window:
    """Return the window of a name of `WINDOWS`. Raises KeyError: there is none."""
    return Window(now - WINDOWS[name], now, bundle if name == "bundle" else None)


def near_share(counts: list[Count]) -> float | None:
    """Return the share of scored decisions near their threshold, as the review plan has it; None without any."""
    near, far = (sum(count.n for count in counts if count.stratum.endswith(zone)) for zone in ("/near", "/far"))
    return near / (near + far) if near + far else None


def _agreement(samples: list[Sample]) -> Agreement:
    return kappa([sample.labels for sample in samples])

"""Whether scores are still distributed as they were: two distances between histograms, and how large chance makes them.

With no drift at all the population stability index of k bins is about (1/n + 1/m) times a chi-squared variable of
k − 1 degrees of freedom (Yurdakul, "Statistical properties of population stability index", 2018), and the
Kolmogorov-Smirnov distance exceeds what its own limit distribution says with at most the same probability: it is read
at the edges of the bins only, so it can but be smaller. Each distance comes with the limit that it exceeds by chance
with a stated probability, so an alarm has a known rate of false ones; a fixed "0.2" has none.

That rate is one of independent decisions. Where each prompt comes five times, chance moves scores as a fifth as many
would: a fifth of looks at 2,000 such decisions were beyond the limits without a drift, and more the fewer there are.

`tests/promises/test_drift.py` simulates both, one look at a time and a whole day of looks.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Bar:
    """What a distance has to exceed: what chance does with a stated probability, and what is worth acting on."""

    false_alarms: float  # of one look at one policy, each of the two distances
    psi: float
    ks: float


DAY = Bar(false_alarms=0.001, psi=0.1, ks=0.05)
# An hour is looked at anew 24 times as often, and differs from a day anyway: who is awake asks other things.
HOUR = Bar(false_alarms=DAY.false_alarms / 24, psi=0.2, ks=0.15)

FEWEST = 200  # decisions on either side; below, bins hold too few for the limits to hold
BINS = 10
_MIXTURES = 101
_HALF = 0.5  # added to each bin: an empty one would make the index infinite


@dataclass(frozen=True, slots=True)
class Drift:
    """Two distances between the scores now and those of the reference, with the limits that chance seldom exceeds."""

    psi: float
    psi_limit: float
    ks: float
    ks_limit: float
    n: int  # decisions now
    n_reference: int

    @property
    def is_drifting(self) -> bool:
        """Return whether either distance is beyond chance, and large enough to matter."""
        return self.psi > self.psi_limit or self.ks > self.ks_limit


def drift(reference: ArrayLike, now: ArrayLike, *, bar: Bar = DAY) -> Drift | None:
    """Return how far two histograms with the same bins, in ascending order of score, are apart.

    Args:
        reference: counts, shape (k,).
        now: counts, shape (k,).
        bar: for a window as long as `now` is.

    Returns:
        The distances; None where either side has fewer than `FEWEST`.

    For the index, bins are joined until each holds at least a tenth of the reference: nearly empty ones make it jump.
    The other distance sees what moves to where the reference has nothing.
    """
    return _drift(reference, now, bar, at_all_edges=True)


def _drift(reference: ArrayLike, now: ArrayLike, bar: Bar, *, at_all_edges: bool) -> Drift | None:
    before, after = (np.asarray(each, dtype=np.float64) for each in (reference, now))
    if before.shape != after.shape or before.ndim != 1:
        raise ValueError(f"histograms of shapes {before.shape} and {after.shape}")
    n, m = float(after.sum()), float(before.sum())
    if min(n, m) < FEWEST:
        return None
    per_one = 1 / n + 1 / m
    # The first term of Kolmogorov's series, which is all of it where alarms are rare.
    ks_limit = math.sqrt(math.log(2 / bar.false_alarms) / 2 * per_one)
    joined = _join(before)
    k = int(joined[-1]) + 1
    sums = [np.bincount(joined, each).astype(np.float64) for each in (before, after)]
    one, other = (before, after) if at_all_edges else sums
    ks = float(np.abs(np.cumsum(one) / m - np.cumsum(other) / n).max())
    return Drift(
        psi=_psi(*sums),
        psi_limit=max(per_one * _chi_squared(k - 1, bar.false_alarms), bar.psi),
        ks=ks,
        ks_limit=max(ks_limit, bar.ks),
        n=int(n),
        n_reference=int(m),
    )


def _join(reference: Floats) -> NDArray[np.intp]:
    """Return for each bin the number of the joined bin it falls into, ascending from 0."""
    share = reference.sum() / BINS
    places = np.empty(len(reference), dtype=np.intp)
    place, held = 0, 0.0
    for bin_, count in enumerate(reference.tolist()):
        if held >= share and reference[bin_:].sum() >= share:
            place, held = place + 1, 0.0
        places[bin_] = place
        held += count
    return places


def _psi(before: Floats, after: Floats) -> float:
    """Return the population stability index: the symmetrised Kullback-Leibler divergence of the two, in nats."""
    p, q = ((each + _HALF) / (each + _HALF).sum() for each in (before, after))
    return float(np.sum((p - q) * np.log(p / q)))


def _chi_squared(freedom: int, tail: float) -> float:
    """Return what a chi-squared variable exceeds with this probability, to 2 % (Wilson and Hilferty, 1931).

    Serving does without scipy, which takes longer to import than all of Guard.
    """
    if freedom == 0:
        return 0.0
    part = 2 / (9 * freedom)
    return float(freedom * (1 - part + NormalDist().inv_cdf(1 - tail) * math.sqrt(part)) ** 3)


def drift_from_mixture(safe: ArrayLike, unsafe: ArrayLike, now: ArrayLike, *, bar: Bar = DAY) -> Drift | None:
    """Return how far scores are from labelled ones, mixed as fits best: another share of unsafe traffic is no drift.

    Arguments are counts of one binning, shape (k,) each; otherwise as `drift`. As the best of many mixtures is taken,
    false alarms come less often than stated. Both distances are read between joined bins: within the outermost bins of
    a calibration nobody knows where its rows lie.
    """
    harmless, harmful, after = (np.asarray(each, dtype=np.float64) for each in (safe, unsafe, now))
    parts = [(1 - share, share) for share in np.linspace(0, 1, _MIXTURES).tolist()]
    found = (
        _drift(mixed, after, bar, at_all_edges=False)
        for mixed in (_mixed(harmless, harmful, *each) for each in parts)
        if mixed is not None
    )
    return min((each for each in found if each is not None), key=lambda each: each.psi, default=None)


def _mixed(safe: Floats, unsafe: Floats, share_safe: float, share_unsafe: float) -> Floats | None:
    """Return a mixture as counts: as many as make it no more certain than its scarcer part; None without that part."""
    used = [(each, share) for each, share in ((safe, share_safe), (unsafe, share_unsafe)) if share > 0]
    if any(each.sum() == 0 for each, _ in used):
        return None
    n = min(each.sum() / share for each, share in used)
    return np.asarray(sum(n * share * each / each.sum() for each, share in used), dtype=np.float64)

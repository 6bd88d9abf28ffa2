"""How far the scores of live traffic have moved, from those of the calibration or from the bundle's own first day.

Against the calibration: whether a certificate speaks about traffic like this at all. Whatever the share of unsafe
requests is, the calibration's two labels are mixed to fit it. Against the first day under the bundle: whether traffic
changes. Both read the same bins of log odds, which the store keeps for every scored decision.
"""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from guard.bundle import Bundle
from guard.manifest import Calibration, Reference
from guard.stats.calibrators import to_probability
from guard.stats.drift import Drift, drift, drift_from_mixture
from guard.store.rows import BIN_WIDTH, BINS, FIRST_LOG_ODDS
from guard.store.store import Store
from guard.store.values import Window
from guard.types import Direction

Against = Literal["calibration", "first_day"]
AGAINST: tuple[Against, ...] = ("calibration", "first_day")

DAY_S = 86_400.0
_STEP_S = 3600.0


def measure_drift(
    store: Store,
    policy: str,
    *,
    bundle: Bundle,
    now: float,
    against: Against,
    window_s: float = DAY_S,
    first_s: float = DAY_S,
) -> Drift | None:
    """Return how far the scores of the last day are from the reference; None where either side has too few, or none.

    Args:
        window_s: how far back from `now` the traffic that is looked at goes; what the first day has is not in it twice.
        first_s: how long the first day is. Where retention has deleted it, it is the first that is left.

    Raises:
        StoreFailed: the store does not answer.
    """
    if against == "calibration":
        calibration = bundle.manifest.calibration
        if calibration.reference is None:
            return None
        recent = store.log_odds(Window(now - window_s, now, bundle.digest), policy, Direction.INPUT)
        safe, unsafe = binned(calibration.reference, calibration)
        return drift_from_mixture(safe, unsafe, recent)
    began = _began(store, policy, bundle.digest, now)
    if began is None:
        return None
    ended = began + first_s
    recent = store.log_odds(Window(max(now - window_s, ended), now, bundle.digest), policy, Direction.INPUT)
    return drift(store.log_odds(Window(began, ended, bundle.digest), policy, Direction.INPUT), recent)


def binned(reference: Reference, calibration: Calibration) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the calibration's harmless and unsafe rows in the store's bins of log odds, shape (64,) each.

    Between two edges of the reference its rows are spread evenly; those beyond the outermost ones lie next to them.
    """
    with np.errstate(divide="ignore"):
        probabilities = to_probability(calibration, reference.edges)
        edges = np.log(probabilities) - np.log1p(-probabilities)
    return _spread(edges, reference.safe), _spread(edges, reference.unsafe)


def _spread(edges: NDArray[np.float64], counts: Sequence[int]) -> NDArray[np.float64]:
    last = FIRST_LOG_ODDS + BINS * BIN_WIDTH
    held = np.clip(edges, FIRST_LOG_ODDS, last)
    # Equal edges, of a map that is flat there, are parted by a hair: a step up, as it should be.
    places = np.concatenate([[held[0] - BIN_WIDTH], held, [held[-1] + BIN_WIDTH]]) + np.arange(len(held) + 2) * 1e-9
    below = np.concatenate([[0.0], np.cumsum(counts)])
    inner = FIRST_LOG_ODDS + BIN_WIDTH * np.arange(1, BINS)
    at_edges = np.interp(inner, places, below, left=0.0, right=below[-1])
    return np.diff(np.concatenate([[0.0], at_edges, [below[-1]]]))


def _began(store: Store, policy: str, digest: str, now: float) -> float | None:
    """Return the hour of the first decision of a bundle under a policy."""
    steps = store.counts(Window(-math.inf, now, digest), _STEP_S, policy)
    return min((count.since for count in steps if count.direction is Direction.INPUT), default=None)

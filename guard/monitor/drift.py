"""How far the scores of live traffic have moved, from those of the calibration or from the bundle's own first day.

Against the calibration: whether a certificate speaks about traffic like this at all. Whatever the share of unsafe
requests is, the calibration's two labels are mixed to fit it. Against the first day under the bundle: whether traffic
changes. Both read the same bins of log odds, which the store keeps for every scored decision.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from guard.bundle import Bundle
from guard.manifest import Calibration, Reference
from guard.monitor.tallies import Tallies
from guard.stats.calibrators import to_probability
from guard.stats.drift import DAY, HOUR, Bar, Drift, drift, drift_from_mixture
from guard.store.rows import BIN_WIDTH, BINS, FIRST_LOG_ODDS
from guard.store.store import Store
from guard.store.values import Window
from guard.types import Direction

Against = Literal["calibration", "first_day"]
AGAINST: tuple[Against, ...] = ("calibration", "first_day")

DAY_S = 86_400.0
HOUR_S = 3_600.0
BARS: Mapping[float, Bar] = {DAY_S: DAY, HOUR_S: HOUR}
"""What a drift has to exceed, by how many seconds of traffic are looked at. A day dilutes what changed at noon."""
_SETTLED_S = 300.0  # what is queued is written by then


def measure_drift(
    store: Store,
    policy: str,
    *,
    bundle: Bundle,
    now: float,
    against: Against,
    window_s: float = DAY_S,
    first_s: float = DAY_S,
    known: "FirstDays | None" = None,
) -> Drift | None:
    """Return how far recent scores are from the reference; None where either side has too few, or none.

    Args:
        window_s: how far back from `now` the traffic that is looked at goes, one of `BARS`; what the first day has is
            not in it twice.
        first_s: how long the first day is. Where retention has deleted it, it is the first that is left.
        known: remembers first days, for who asks again and again.

    Raises:
        StoreFailed: the store does not answer.
    """
    if against == "calibration":
        calibration = bundle.manifest.calibration
        if calibration.reference is None:
            return None
        recent = store.log_odds(Window(now - window_s, now, bundle.digest), policy, Direction.INPUT)
        safe, unsafe = binned(calibration.reference, calibration)
        return drift_from_mixture(safe, unsafe, recent, bar=BARS[window_s])
    first = (FirstDays(store, Tallies(store, lambda: now)) if known is None else known).of(
        policy, bundle.digest, now, first_s
    )
    if first is None:
        return None
    recent = store.log_odds(Window(max(now - window_s, first.ended), now, bundle.digest), policy, Direction.INPUT)
    return drift(first.bins, recent, bar=BARS[window_s])


@dataclass(frozen=True, slots=True)
class FirstDay:
    """How scores lay when a bundle was new."""

    ended: float
    bins: tuple[int, ...]


class FirstDays:
    """The first days of bundles under policies, read once they are over."""

    def __init__(self, store: Store, tallies: Tallies) -> None:
        self._store = store
        self._tallies = tallies
        self._known: dict[tuple[str, str, float], FirstDay] = {}

    def of(self, policy: str, digest: str, now: float, length_s: float) -> FirstDay | None:
        """Return the first day, None before it is over. Raises StoreFailed."""
        key = (policy, digest, length_s)
        if key in self._known:
            return self._known[key]
        began = self._tallies.began(digest, policy, now)
        if began is None or began + length_s + _SETTLED_S > now:
            return None
        bins = self._store.log_odds(Window(began, began + length_s, digest), policy, Direction.INPUT)
        self._known = {each: day for each, day in self._known.items() if each[1] == digest}
        self._known[key] = FirstDay(began + length_s, bins)
        return self._known[key]


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

"""How often units err at each candidate threshold, and what that proves: exact for yes or no, by betting for shares."""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from guard.errors import CalibrationInvalid
from guard.stats.betting import mean_is_below, mean_upper_bound, shares_needed, smallest_provable_mean
from guard.stats.bounds import smallest_provable_limit, units_needed, upper_bound
from guard.stats.draws import shuffled
from guard.stats.traffic import SAFE, UNSAFE, reviewed
from guard.stats.trials import Bools, Floats, Rate, Trials, Unit, rows_of, unit_scores

Places = NDArray[np.intp]


class Evidence(Protocol):
    """What n units say about a rate at each of k thresholds. A place is an index into the thresholds."""

    @property
    def n(self) -> int:
        """Return how many units there are."""
        ...

    @property
    def errors(self) -> NDArray[np.int64]:
        """Return how many units err, in any row where a unit has several, shape (k,)."""
        ...

    @property
    def observed(self) -> Floats:
        """Return the rate that was seen, shape (k,); NaN without units."""
        ...

    def holds(self, place: int, limit: float, *, confidence: float) -> bool:
        """Return whether the rate at a place is proven to be within the limit."""
        ...

    def run(self, places: Places, limit: float, *, confidence: float) -> int:
        """Return how many of these places in a row, from the first on, hold."""
        ...

    def upper(self, place: int, *, confidence: float) -> float:
        """Return the upper bound of the rate at a place; 1.0 without units."""
        ...

    def smallest_limit(self, *, confidence: float) -> float:
        """Return the lowest limit that n units could prove, none of them erring."""
        ...

    def missing(self, place: int, limit: float, *, confidence: float) -> int:
        """Return how many more units would prove the limit at a place, none of them erring."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """Units that err or do not: bounds are exact (Clopper and Pearson, 1934)."""

    n: int
    errors: NDArray[np.int64]  # (k,)

    @property
    def observed(self) -> Floats:
        """Return the share of units that err, shape (k,)."""
        return self.errors / self.n if self.n else np.full(len(self.errors), np.nan)

    def holds(self, place: int, limit: float, *, confidence: float) -> bool:
        """Return whether the exact bound at a place is within the limit."""
        return self.upper(place, confidence=confidence) <= limit

    def run(self, places: Places, limit: float, *, confidence: float) -> int:
        """Return how many of these places in a row hold."""
        if self.n == 0:
            return 0
        broken = np.flatnonzero(upper_bound(self.errors[places], self.n, confidence=confidence) > limit)
        return int(broken[0]) if len(broken) else len(places)

    def upper(self, place: int, *, confidence: float) -> float:
        """Return the upper bound of the rate at a place."""
        return float(upper_bound(self.errors[place], self.n, confidence=confidence)) if self.n else 1.0

    def smallest_limit(self, *, confidence: float) -> float:
        """Return the lowest limit that n units could prove."""
        return smallest_provable_limit(self.n, confidence=confidence)

    def missing(self, place: int, limit: float, *, confidence: float) -> int:
        """Return how many more units would prove the limit."""
        return max(units_needed(limit, confidence=confidence, errors=int(self.errors[place])) - self.n, 0)


@dataclass(frozen=True, slots=True, eq=False)
class MeanShares:
    """Units that err with a share of their rows: bounds are won by betting (`guard.stats.betting`)."""

    n: int
    errors: NDArray[np.int64]  # (k,)
    observed: Floats  # (k,)
    erring: tuple[Floats, Floats, Rate]  # probabilities of the rows, the k thresholds, and what counts as an error
    codes: Places  # unit of each row, in the order of the bets
    sizes: Floats  # rows of each unit

    def shares(self, place: int) -> Floats:
        """Return the share of each unit's rows that err at a place, shape (n,), in the order of the bets."""
        probabilities, thresholds, rate = self.erring
        errs = probabilities < thresholds[place] if rate == "miss" else probabilities >= thresholds[place]
        return np.bincount(self.codes, weights=errs, minlength=self.n) / self.sizes

    def holds(self, place: int, limit: float, *, confidence: float) -> bool:
        """Return whether bets against the limit at a place are won."""
        # A rate that is seen to be too high is not tested: the bets could still win by their order.
        if not self.observed[place] < limit:
            return False
        return mean_is_below(self.shares(place), limit, confidence=confidence)

    def run(self, places: Places, limit: float, *, confidence: float) -> int:
        """Return how many of these places in a row hold."""
        listed = enumerate(places.tolist())
        return next(
            (held for held, place in listed if not self.holds(place, limit, confidence=confidence)), len(places)
        )

    def upper(self, place: int, *, confidence: float) -> float:
        """Return the upper bound of the mean share at a place."""
        return mean_upper_bound(self.shares(place), confidence=confidence)

    def smallest_limit(self, *, confidence: float) -> float:
        """Return the lowest limit that n units could prove."""
        return smallest_provable_mean(self.n, confidence=confidence)

    def missing(self, place: int, limit: float, *, confidence: float) -> int:
        """Return how many more units would prove the limit."""
        shares = self.shares(place)
        # As many as win the bets, and as many as bring what is seen below the limit.
        return max(
            shares_needed(shares, limit, confidence=confidence), math.floor(float(shares.sum()) / limit) + 1 - self.n
        )


def evidence_of(trials: Trials, grid: Floats, rate: Rate, unit: Unit, *, category: str | None = None) -> Evidence:
    """Return how often units err at each threshold of the grid.

    Args:
        trials: the rows.
        grid: thresholds, shape (k,), in any order; a row at or above one is refused.
        rate: what counts as an error, and so which label counts.
        unit: what the rate is a share of.
        category: counts rows of this category only; None counts all.

    Raises:
        CalibrationInvalid: a category is asked for, and the rows carry none.
    """
    if trials.traffic is not None:
        if category is not None:
            raise CalibrationInvalid("reviewed traffic carries no categories to declare limits for")
        counted = UNSAFE if rate == "miss" else SAFE
        return reviewed(trials.traffic, grid, counted=counted, refused_errs=rate == "false_refusal")
    among = rows_of(trials, rate, category)
    scores = unit_scores(trials, among, "group" if unit == "mean" else unit, rate=rate)
    errors = _erring(scores, grid, rate, np.ones(len(scores))).round().astype(np.int64)
    if unit == "mean":
        return _mean_shares(trials, grid, rate, among, errors)
    return Counts(len(scores), errors)


def _mean_shares(trials: Trials, grid: Floats, rate: Rate, among: Bools, errors: NDArray[np.int64]) -> MeanShares:
    rows = np.flatnonzero(among)
    names, codes = np.unique(np.asarray([trials.groups[row] for row in rows.tolist()], dtype=str), return_inverse=True)
    n, probabilities = len(names), trials.probabilities[rows]
    turn = np.empty(n, dtype=np.intp)
    turn[shuffled(names.tolist())] = np.arange(n)
    codes = turn[codes]
    sizes = np.bincount(codes, minlength=n).astype(np.float64)
    observed = _erring(probabilities, grid, rate, 1 / sizes[codes]) / n if n else np.full(len(grid), np.nan)
    return MeanShares(n, errors, observed, (probabilities, grid, rate), codes, sizes)


def _erring(values: Floats, grid: Floats, rate: Rate, weights: Floats) -> Floats:
    """Return the weight of the values that err at each threshold, shape (k,)."""
    order = np.argsort(values, kind="stable")
    below = np.concatenate([[0.0], np.cumsum(weights[order])])
    places = np.searchsorted(values[order], grid, side="left")
    return np.asarray(below[places] if rate == "miss" else below[-1] - below[places], dtype=np.float64)

"""The rows that certificates rest on, and how often their units err at each candidate threshold.

A unit of a rate is a group or a row of one:

- group: the share of groups in which at least one row errs. The stricter reading, and the honest one where a group's
  rows stand or fall together.
- request: the share of rows that err when a group is drawn first and then one of its rows; one row of each group, drawn
  by digest, is counted.

Rows of the other label never count: a group is counted for false refusals by its harmless rows, for misses by its
unsafe ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from guard.errors import CalibrationInvalid
from guard.stats.bounds import smallest_provable_limit, units_needed, upper_bound
from guard.stats.draws import one_per_group

Unit = Literal["group", "request"]
Rate = Literal["false_refusal", "miss"]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Trials:
    """The rows that a certificate rests on: half B, or any rows that played no part in choosing grid and limits.

    Raises:
        CalibrationInvalid: columns of different length, a probability that is not finite, or an id twice.
    """

    ids: Sequence[str]
    probabilities: Floats  # (n,), finite; −1 for a row that is let through and 1 for one refused at every threshold
    unsafe: Bools  # (n,)
    groups: Sequence[str]
    categories: Sequence[str] | None = None  # of the rows, where limits are declared for categories

    def __post_init__(self) -> None:
        columns = (self.ids, self.probabilities, self.unsafe, self.groups, self.categories)
        lengths = [len(column) for column in columns if column is not None]
        if len(set(lengths)) > 1:
            raise CalibrationInvalid(f"columns of different length: {lengths}")
        if not np.isfinite(self.probabilities).all():
            raise CalibrationInvalid("a probability is not finite")
        if repeated := len(self.ids) - len(set(self.ids)):
            raise CalibrationInvalid(f"{repeated} of {len(self.ids)} ids stand there twice")


@dataclass(frozen=True, slots=True)
class Requirement:
    """A limit that is declared before the rows are looked at: of false refusals, or of misses.

    Raises:
        CalibrationInvalid: the limit lies outside (0, 1).
    """

    rate: Rate
    limit: float
    category: str | None = None  # counts the rows of this category only

    def __post_init__(self) -> None:
        if not 0 < self.limit < 1:
            raise CalibrationInvalid(f"limits must lie between 0 and 1, not {self.limit:g}")


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """How many of n independent units err at each of k thresholds; bounds are exact (Clopper and Pearson, 1934)."""

    n: int
    errors: NDArray[np.int64]  # (k,)

    @property
    def observed(self) -> Floats:
        """Return the share of units that err, shape (k,); NaN without units."""
        return self.errors / self.n if self.n else np.full(len(self.errors), np.nan)

    def run(self, places: Places, limit: float, *, confidence: float) -> int:
        """Return how many of these places in a row, from the first on, have a bound within the limit."""
        if self.n == 0:
            return 0
        broken = np.flatnonzero(upper_bound(self.errors[places], self.n, confidence=confidence) > limit)
        return int(broken[0]) if len(broken) else len(places)

    def upper(self, place: int, *, confidence: float) -> float:
        """Return the upper bound of the rate at a place; 1.0 without units."""
        return float(upper_bound(self.errors[place], self.n, confidence=confidence)) if self.n else 1.0

    def smallest_limit(self, *, confidence: float) -> float:
        """Return the lowest limit that n units could prove, none of them erring."""
        return smallest_provable_limit(self.n, confidence=confidence)

    def missing(self, place: int, limit: float, *, confidence: float) -> int:
        """Return how many more units would prove the limit at a place, none of them erring."""
        return max(units_needed(limit, confidence=confidence, errors=int(self.errors[place])) - self.n, 0)


def counts(trials: Trials, grid: Floats, rate: Rate, unit: Unit, *, category: str | None = None) -> Counts:
    """Return how many units err at each threshold of the grid.

    Args:
        trials: the rows.
        grid: thresholds, shape (k,); a row at or above one is refused.
        rate: what counts as an error, and so which label counts.
        unit: what the rate is a share of.
        category: counts rows of this category only; None counts all.

    Raises:
        CalibrationInvalid: a category is asked for, and the rows carry none.
    """
    scores = unit_scores(trials, rows_of(trials, rate, category), unit, rate=rate)
    below = np.searchsorted(np.sort(scores), grid, side="left").astype(np.int64)
    return Counts(len(scores), below if rate == "miss" else len(scores) - below)


def rows_of(trials: Trials, rate: Rate, category: str | None = None) -> Bools:
    """Return which rows count for a rate, shape (n,): the harmless ones for false refusals, the unsafe for misses."""
    rows = trials.unsafe if rate == "miss" else ~trials.unsafe
    if category is None:
        return rows
    if trials.categories is None:
        raise CalibrationInvalid(f"a limit for {category!r}, but the rows carry no categories")
    return np.asarray(rows & (np.asarray(trials.categories, dtype=str) == category), dtype=np.bool_)


def unit_scores(trials: Trials, among: Bools, unit: Unit, *, rate: Rate = "false_refusal") -> Floats:
    """Return one probability for each group with rows in `among`, shape (groups,): the one that decides its unit.

    A unit is falsely refused up to there, or missed above it.
    """
    rows = np.flatnonzero(among)
    groups = [trials.groups[int(row)] for row in rows]
    if unit == "request":
        picked = one_per_group([trials.ids[int(row)] for row in rows], groups)
        return trials.probabilities[rows[picked]]
    _, codes = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    n_groups = int(codes.max(initial=-1)) + 1
    if rate == "miss":
        lowest = np.full(n_groups, np.inf)
        np.minimum.at(lowest, codes, trials.probabilities[rows])
        return lowest
    highest = np.full(n_groups, -np.inf)
    np.maximum.at(highest, codes, trials.probabilities[rows])
    return highest

"""The rows that certificates rest on, what is required of them, and what a rate is a share of.

The unit is declared beforehand, like the limit:

- group: the share of groups in which at least one row errs. The stricter reading, and the honest one where a group's
  rows stand or fall together.
- request: the share of rows that err when a group is drawn first and then one of its rows; one row of each group, drawn
  by digest, is counted.
- mean: the same rate as for requests, but counted on all rows: the mean over groups of the share of a group's rows
  that err. It proves more where the rows of a group differ, and a little less where each group has one row.

Rows of the other label never count: a group is counted for false refusals by its harmless rows, for misses by its
unsafe ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from guard.errors import CalibrationInvalid
from guard.stats.draws import one_per_group
from guard.stats.traffic import Traffic

Unit = Literal["group", "request", "mean"]
Rate = Literal["false_refusal", "miss"]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


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
    traffic: Traffic | None = None  # that the rows were drawn from; then rates are shares of its requests

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

    Raises:
        ValueError: the unit is "mean", where every row has its say.
    """
    if unit == "mean":
        raise ValueError("no single row decides a mean share")
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

"""Thresholds with a proof: at most so many false refusals, with so much confidence, or the answer that none can be had.

What is promised is the rate of a *unit* under the threshold:

- group: the share of groups of harmless rows in which at least one row is refused. The stricter reading, and the
  honest one where a group's rows stand or fall together.
- request: the share of refused rows when a group is drawn first and then one of its rows; one row of each group, drawn
  by digest, is counted.

Groups must be drawn independently of each other, the grid must be fixed before these rows are looked at, and the limits
declared before that, too. Several limits share the error, so that all certificates of one run hold together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from guard.errors import CalibrationInvalid
from guard.stats.bounds import lower_bound, smallest_provable_limit, units_needed, upper_bound
from guard.stats.draws import one_per_group

Unit = Literal["group", "request"]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Trials:
    """The rows that a certificate rests on: half B, or any rows that played no part in choosing grid and limits."""

    ids: Sequence[str]
    probabilities: Floats  # (n,), finite
    unsafe: Bools  # (n,)
    groups: Sequence[str]

    def __post_init__(self) -> None:
        if not np.isfinite(self.probabilities).all():
            raise CalibrationInvalid("a probability is not finite")


@dataclass(frozen=True, slots=True)
class Certified:
    """A threshold whose rate of false refusals is proven to stay within the limit."""

    limit: float
    confidence: float  # that all limits of the run hold; all recall bounds hold with the same, on their own
    unit: Unit
    threshold: float  # on the probability: at or above it a pair is refused
    n_groups: int  # groups with harmless rows
    errors: int  # of them, refused at the threshold
    upper: float  # exact bound of their rate at this limit's share of the error
    recall_low: float  # exact lower bound of the share of refused unsafe requests, one row of each group counted

    @property
    def estimate(self) -> float:
        """Share of refused units at the threshold."""
        return self.errors / self.n_groups


@dataclass(frozen=True, slots=True)
class CertifiedButUseless(Certified):
    """Proven as well, but the bound of the recall does not exceed the limit: tossing a coin may do as much."""


@dataclass(frozen=True, slots=True)
class NotCertifiable:
    """No threshold of the grid can be proven with these groups."""

    limit: float
    confidence: float
    unit: Unit
    n_groups: int
    errors: int  # refused even at the strictest threshold; nearly always 0
    smallest_limit: float  # what so many groups could prove at best, from their number alone
    groups_missing: int  # how many more would prove the limit if none of them is refused
    n_limits: int = 1  # how many limits share the error; alone, a limit needs fewer groups


Answer = Certified | NotCertifiable


def certify(
    trials: Trials, grid: Floats, limits: Sequence[float], *, confidence: float = 0.95, unit: Unit = "group"
) -> tuple[Answer, ...]:
    """Return, for each limit, the lowest threshold that keeps it, or why there is none.

    Args:
        trials: rows that neither `grid` nor `limits` were chosen on.
        grid: candidate thresholds on the probability, shape (k,), strictly descending.
        limits: tolerated rates of false refusals, each in (0, 1), declared beforehand; m limits are each tested at
            error (1 − confidence) / m.
        confidence: probability that all promises hold, over draws of the groups, in (0, 1).
        unit: what the rate is a share of; see the module.

    Raises:
        CalibrationInvalid: no harmless or no unsafe rows, no limits, or a limit outside (0, 1).
        ValueError: the grid is empty or does not descend.

    Source: fixed-sequence testing (Learn then Test, arXiv 2110.01052) from the strictest threshold down, with exact
    binomial bounds (Clopper and Pearson, 1934).
    """
    if len(grid) == 0 or not (np.diff(grid) < 0).all():
        raise ValueError("the grid of thresholds must descend strictly")
    if not limits or not all(0 < limit < 1 for limit in limits):
        raise CalibrationInvalid(f"limits must lie between 0 and 1: {list(limits)}")
    harmless = unit_scores(trials, ~trials.unsafe, unit)
    unsafe = unit_scores(trials, trials.unsafe, "request")
    if len(harmless) == 0 or len(unsafe) == 0:
        raise CalibrationInvalid("the rows to certify on have one label only")
    share = 1.0 - (1.0 - confidence) / len(limits)
    errors, caught = _at_or_above(harmless, grid), _at_or_above(unsafe, grid)
    uppers = upper_bound(errors, len(harmless), confidence=share)
    recall_lows = lower_bound(caught, len(unsafe), confidence=share)

    def answer(limit: float) -> Answer:
        broken = np.flatnonzero(uppers > limit)
        last = int(broken[0]) - 1 if len(broken) else len(grid) - 1  # the sequence stops at the first that fails
        if last < 0:
            needed = units_needed(limit, confidence=share, errors=int(errors[0]))
            return NotCertifiable(
                limit=limit,
                confidence=confidence,
                unit=unit,
                n_groups=len(harmless),
                errors=int(errors[0]),
                smallest_limit=smallest_provable_limit(len(harmless), confidence=share),
                groups_missing=max(needed - len(harmless), 0),
                n_limits=len(limits),
            )
        kind = Certified if recall_lows[last] > limit else CertifiedButUseless
        return kind(
            limit=limit,
            confidence=confidence,
            unit=unit,
            threshold=float(grid[last]),
            n_groups=len(harmless),
            errors=int(errors[last]),
            upper=float(uppers[last]),
            recall_low=float(recall_lows[last]),
        )

    return tuple(answer(limit) for limit in limits)


def candidate_grid(probabilities: Floats, *, points: int = 1000) -> Floats:
    """Return candidate thresholds, descending, from rows that are not certified on: 1 and the values below it.

    With more than `points` distinct values, evenly spread quantiles of them are taken.
    """
    values = np.unique(probabilities[probabilities < 1.0])[::-1]
    if len(values) > points:
        values = values[np.linspace(0, len(values) - 1, points).round().astype(np.intp)]
    return np.concatenate([[1.0], values])


def unit_scores(trials: Trials, among: Bools, unit: Unit) -> Floats:
    """Return one probability for each group with rows in `among`, shape (groups,): its unit is refused up to there."""
    rows = np.flatnonzero(among)
    groups = [trials.groups[int(row)] for row in rows]
    if unit == "request":
        picked = one_per_group([trials.ids[int(row)] for row in rows], groups)
        return trials.probabilities[rows[picked]]
    _, codes = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    highest = np.full(codes.max(initial=-1) + 1, -np.inf)
    np.maximum.at(highest, codes, trials.probabilities[rows])
    return highest


def _at_or_above(values: Floats, grid: Floats) -> NDArray[np.int64]:
    return np.asarray(len(values) - np.searchsorted(np.sort(values), grid, side="left"), dtype=np.int64)

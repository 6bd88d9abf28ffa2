"""Whether probabilities mean what they say: of the pairs at 30 %, are three in ten unsafe?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from guard.errors import CalibrationInvalid
from guard.stats.bootstrap import Estimate, Measure, estimate
from guard.stats.measures import Share, ratio

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Pairs of similar probability: their mean probability, and the share of them that is unsafe."""

    n: int
    probability: float
    unsafe: Estimate


@dataclass(frozen=True, slots=True)
class Reliability:
    """Bins by ascending probability, and the expected calibration error: their mean gap, weighted by size.

    The error is above 0 even for perfect probabilities, because shares of finite bins scatter; read it beside the bins.
    """

    bins: tuple[ReliabilityBin, ...]
    error: Estimate


def reliability(probabilities: Floats, unsafe: Bools, groups: Sequence[str], *, bins: int = 10) -> Reliability:
    """Return how probabilities compare with frequencies.

    Args:
        probabilities: shape (n,), of rows that the calibration was not fitted on.
        unsafe: labels, shape (n,).
        groups: group of each row; intervals resample groups.
        bins: at most so many, each with about as many rows; equal probabilities share one.

    Raises:
        CalibrationInvalid: no rows, or a value that is not a probability.

    Source: Guo et al. (2017), with bins of equal mass as in Nguyen and O'Connor (2015).
    """
    if len(probabilities) == 0:
        raise CalibrationInvalid("no rows to compare probabilities with")
    if not np.isfinite(probabilities).all() or probabilities.min() < 0 or probabilities.max() > 1:
        raise CalibrationInvalid("a probability is not finite, or outside [0, 1]")
    edges = np.unique(np.quantile(probabilities, np.linspace(0, 1, bins + 1)))
    places = np.clip(np.searchsorted(edges, probabilities, side="right") - 1, 0, max(len(edges) - 2, 0))
    members = [places == place for place in range(max(len(edges) - 1, 1))]
    members = [rows for rows in members if rows.any()]
    measures: dict[str, Measure] = {str(place): Share(unsafe, rows) for place, rows in enumerate(members)}
    found = estimate({**measures, "error": _Error(probabilities, unsafe, np.stack(members, axis=1))}, groups)
    return Reliability(
        bins=tuple(
            ReliabilityBin(int(rows.sum()), float(probabilities[rows].mean()), found[str(place)])
            for place, rows in enumerate(members)
        ),
        error=found["error"],
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Error:
    probabilities: Floats  # (n,)
    unsafe: Bools  # (n,)
    members: Bools  # (n, k)

    def __call__(self, weights: Floats) -> Floats:
        return self.of_sums(weights @ self.columns())

    def columns(self) -> Floats:
        gaps = self.members * (self.probabilities - self.unsafe)[:, None]  # (n, k)
        return np.concatenate([gaps, np.ones((len(gaps), 1))], axis=1)

    def of_sums(self, sums: Floats) -> Floats:
        return ratio(np.abs(sums[:, :-1]).sum(axis=1), sums[:, -1])

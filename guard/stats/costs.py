"""What a threshold costs in traffic: refusals to expect, and the cheapest threshold for given costs."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from guard.stats.measures import share_at_or_above


@dataclass(frozen=True, slots=True)
class Costs:
    """What errors cost, in any one currency, in traffic with a share `prevalence` of unsafe requests."""

    prevalence: float  # in (0, 1)
    miss: float  # of one unsafe request let through, > 0
    refusal: float  # of one harmless request refused, > 0

    def of(self, recall: float, false_refusal_rate: float) -> float:
        """Return the expected cost of one request."""
        return self.prevalence * (1 - recall) * self.miss + (1 - self.prevalence) * false_refusal_rate * self.refusal


@dataclass(frozen=True, slots=True)
class Refusals:
    """Refusals to expect among so many requests."""

    requests: int
    prevalence: float
    right: float
    wrong: float


def expected_refusals(recall: float, false_refusal_rate: float, *, prevalence: float, requests: int = 1000) -> Refusals:
    """Return how many of `requests` are refused rightly and wrongly, on average; all rates in [0, 1]."""
    return Refusals(
        requests=requests,
        prevalence=prevalence,
        right=requests * prevalence * recall,
        wrong=requests * (1 - prevalence) * false_refusal_rate,
    )


def cheapest_threshold(
    probabilities: NDArray[np.float64],
    unsafe: NDArray[np.bool_],
    grid: NDArray[np.float64],
    costs: Costs,
    *,
    weights: NDArray[np.float64] | None = None,
) -> float:
    """Return the threshold of the grid with the lowest expected cost; of several the highest.

    Args:
        probabilities: of the rows to choose on, shape (n,), both labels present.
        unsafe: their labels, shape (n,).
        grid: candidate thresholds, shape (k,), strictly descending.
        costs: of errors, and how common danger is in the traffic; the rows may hold it at another rate.
        weights: for how much each row stands, shape (n,); 1 where nothing is said.
    """
    each = np.ones(len(probabilities)) if weights is None else weights
    caught, refused = (share_at_or_above(probabilities[rows], grid, each[rows]) for rows in (unsafe, ~unsafe))
    expected = [costs.of(float(r), float(f)) for r, f in zip(caught, refused, strict=True)]
    return float(grid[int(np.argmin(expected))])

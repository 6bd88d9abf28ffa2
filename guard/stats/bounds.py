"""Exact binomial bounds, and what a number of groups can prove at best."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv


def upper_bound(errors: ArrayLike, n: int, *, confidence: float) -> NDArray[np.float64]:
    """Return the exact one-sided upper bound of an error rate, elementwise.

    Args:
        errors: how many of `n` independent units erred, any shape, each in [0, n].
        n: number of units, at least 1.
        confidence: probability that the bound is not exceeded by the true rate, in (0, 1).

    Source: Clopper and Pearson (1934). The true rate lies above the bound with probability at most 1 − confidence.
    """
    count = np.asarray(errors, dtype=np.float64)
    bound = betaincinv(np.minimum(count, n - 1) + 1, np.maximum(n - count, 1), confidence)
    return np.where(count >= n, 1.0, bound)


def lower_bound(hits: ArrayLike, n: int, *, confidence: float) -> NDArray[np.float64]:
    """Return the exact one-sided lower bound of a rate of `hits` among `n`; arguments as for `upper_bound`."""
    return 1.0 - upper_bound(n - np.asarray(hits), n, confidence=confidence)


def smallest_provable_limit(n: int, *, confidence: float) -> float:
    """Return the lowest error rate that `n` units can prove, with no error among them; 1.0 for none at all."""
    return 1.0 if n == 0 else float(upper_bound(0, n, confidence=confidence))


def units_needed(limit: float, *, confidence: float, errors: int = 0) -> int:
    """Return how many units prove an error rate of at most `limit`, in (0, 1), when `errors` of them err."""
    low, high = errors, max(2 * errors, math.ceil(math.log1p(-confidence) / math.log1p(-limit)))
    while upper_bound(errors, high, confidence=confidence) > limit:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if upper_bound(errors, middle, confidence=confidence) <= limit:
            high = middle
        else:
            low = middle
    return high

"""An upper bound of a mean of shares: a game that nobody can win if the mean is as high as claimed.

Against the claim that the mean is at least m, one stakes a part of one's money on each value being below it. If the
claim is true, each bet is fair or worse, so money is multiplied by 20 with a chance of 1 in 20 at most; if it is all
the same, the claim is rejected with 95 % confidence. It needs nothing but values in [0, 1]. Where they vary little, it
learns so from the earlier ones and stakes more, which makes it far tighter than Hoeffding's bound.

Source: Waudby-Smith and Ramdas (arXiv 2010.09686), with the stakes of Bates et al. (arXiv 2101.02703, proposition 5).
"""

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_STEPS = 50  # of halving [0, 1]: to 1e-15


def mean_upper_bound(shares: Floats, *, confidence: float) -> float:
    """Return a bound that the mean exceeds with probability at most 1 − confidence; 1.0 where nothing lower is proven.

    Args:
        shares: independent draws of one distribution, shape (n,), each in [0, 1], in an order that has nothing to do
            with their values.
        confidence: in (0, 1).
    """
    stakes = _stakes(shares, confidence)
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if _is_rejected(shares, stakes, middle, confidence):
            high = middle
        else:
            low = middle
    return high


def mean_is_below(shares: Floats, limit: float, *, confidence: float) -> bool:
    """Return whether the mean is proven to be below a limit in (0, 1); arguments as for `mean_upper_bound`."""
    return _is_rejected(shares, _stakes(shares, confidence), limit, confidence)


def smallest_provable_mean(n: int, *, confidence: float) -> float:
    """Return the lowest mean that n shares can prove, all of them 0; 1.0 for none at all."""
    return mean_upper_bound(np.zeros(n), confidence=confidence)


def shares_needed(shares: Floats, limit: float, *, confidence: float) -> int:
    """Return how many more shares prove a mean below `limit`, in (0, 1), when all that come are 0."""

    def enough(more: int) -> bool:
        return mean_is_below(np.concatenate([shares, np.zeros(more)]), limit, confidence=confidence)

    if enough(0):
        return 0
    low, high = 0, 1
    while not enough(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _stakes(shares: Floats, confidence: float) -> Floats:
    """Return what part of the money is staked on each value, from the values before it: shape (n,), each in (0, 1]."""
    n = len(shares)
    seen = np.arange(2, n + 2)  # each average includes one value of ½ with a variance of ¼
    means = (0.5 + np.cumsum(shares)) / seen
    variances = (0.25 + np.cumsum((shares - means) ** 2)) / seen
    before = np.concatenate([[0.25], variances])[:n]
    return np.asarray(np.minimum(1.0, np.sqrt(2 * -math.log1p(-confidence) / (max(n, 1) * before))), dtype=np.float64)


def _is_rejected(shares: Floats, stakes: Floats, mean: float, confidence: float) -> bool:
    if mean <= 0:
        return False
    money = np.cumsum(np.log1p(stakes * (mean - shares)))
    return bool(money.max(initial=0.0) >= -math.log1p(-confidence))

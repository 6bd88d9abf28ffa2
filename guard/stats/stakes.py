"""Evidence that a rate of stratified traffic is below a limit: bets on reviews, each as large as what it stands for.

Of each cell of the traffic it is known how many decisions it holds and which of them count as refused; some were drawn,
all with the cell's own probability, and reviewed. Let θ be the unknown shares of what counts (harmless decisions, for
false refusals) among the rest of each cell, and a = (1 − limit) × size of a cell that errs, −limit × size of one that
does not. The rate is at least the limit where known + Σ a θ ≥ 0: the claim that is bet against.

Let p be shares that promise better (from other reviews), and q the nearest ones, in likelihood, at which the claim just
holds. The likelihood ratio of p to q is money that nobody can multiply: each of the n reviews of a cell multiplies
it by 1 + d (y − q), where n d = −μ a with one μ ≥ 0 for all cells. So for any shares θ that the claim allows its
expectation is Π (1 + d (θ − q))ⁿ ≤ exp Σ n d (θ − q) = exp −μ (Σ a θ − Σ a q) ≤ 1: 20 is exceeded in 1 of 20 at most.
Reviews of a finite cell are drawn without putting back, for which the expectation of such a product is no larger
(Hoeffding, 1963, theorem 4). Nothing is assumed of how requests follow each other: chance is in the draw alone, and the
bound is about this traffic.

Sources: tests by betting (Waudby-Smith and Ramdas, arXiv 2010.09686), for strata as in the audits of elections (Spertus
and Stark, arXiv 2207.03379); p against its projection onto the claim is the bet that grows most (Grünwald, de Heide and
Koolen, arXiv 1906.07801; for several groups Turner, Ly and Grünwald, arXiv 2106.02693).
`tests/promises/test_traffic_certificates.py` simulates it.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

_STEPS = 60  # of halving the multiplier
_MOST = 1e9  # multiplier: beyond, the claim needs cells of nothing but errors


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """How a rate stands at one threshold, or at m of them; arrays of shape (cells,) or (m, cells), decisions."""

    errs: Bools  # (cells,): whether what counts in the cell is an error there
    sizes: Floats  # decisions in the cell, without those whose label is known beforehand
    reviewed: Floats  # of them, drawn and reviewed
    hits: Floats  # of those, how many count
    promised: Floats  # shares that other reviews promise, each in (0, 1)
    known_errors: Floats  # (m,) or (): decisions known beforehand to count, and to err
    known_rest: Floats  # the same, not to err

    def scaled(self, times: Floats) -> "Standing":
        """Return how one threshold would stand with so many times as many reviews that find the same, shape (m,)."""
        return replace(self, reviewed=np.outer(times, self.reviewed), hits=np.outer(times, self.hits))


def log_money(standing: Standing, limits: ArrayLike) -> Floats:
    """Return the logarithm of the money won against the claim that a rate is at least a limit, shape (m,).

    Infinite where the claim is impossible; minus infinity where not even what is promised contradicts it.

    Args:
        standing: at m thresholds, or at one.
        limits: one of each in (0, 1), or one for all, or m of them at one threshold.
    """
    limit = np.atleast_1d(np.asarray(limits, dtype=np.float64))
    seen = standing.reviewed > 0
    stakes = np.where(standing.errs, 1 - limit[:, None], -limit[:, None]) * standing.sizes
    # Cells of which nothing was seen are taken to be the worst: all of one that errs, nothing of one that does not.
    known = (1 - limit) * standing.known_errors - limit * standing.known_rest
    known = known + np.where(~seen & standing.errs, stakes, 0.0).sum(axis=-1)
    stakes = np.where(seen, stakes, 0.0)
    is_impossible = known + np.maximum(stakes, 0.0).sum(axis=-1) <= 0
    is_unpromising = known + (stakes * standing.promised).sum(axis=-1) >= 0
    promised, reviewed, hits = standing.promised, standing.reviewed, standing.hits
    nearest = _projected(promised, stakes / np.where(seen, reviewed, 1.0), known, stakes)
    with np.errstate(divide="ignore", invalid="ignore"):
        won = hits * np.log(promised / nearest) + (reviewed - hits) * np.log((1 - promised) / (1 - nearest))
    money = np.where(seen, won, 0.0).sum(axis=-1)
    return np.where(is_impossible, np.inf, np.where(is_unpromising, -np.inf, money))


def _projected(promised: Floats, stakes: Floats, known: Floats, sizes: Floats) -> Floats:
    """Return the shares nearest to those promised at which the claim just fails, by no more than rounding."""

    def at(multiplier: Floats) -> Floats:
        # The root in (0, 1) of n (p − q) + μ a q (1 − q) = 0, written so that nothing large is taken from its like.
        pull = multiplier[:, None] * stakes
        root = np.sqrt((1 - pull) ** 2 + 4 * pull * promised)
        steep = pull > 1
        below = np.where(steep, 1.0, 1 - pull + root)
        return np.where(steep, (pull - 1 + root) / np.where(steep, 2 * pull, 1.0), 2 * promised / below)

    def fails(multiplier: Floats) -> Bools:
        return np.asarray(known + (sizes * at(multiplier)).sum(axis=-1) < 0, dtype=np.bool_)

    low, high = np.zeros(len(known)), np.ones(len(known))
    while (short := fails(high) & (high < _MOST)).any():
        low, high = np.where(short, high, low), np.where(short, 4 * high, high)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        short = fails(middle)
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    return at(low)

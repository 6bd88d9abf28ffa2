"""Two guards on the same pairs: which errs where the other does not, by how much, and whether that is little enough.

Both guards see the same rows, so what they agree on cancels out, and far fewer rows tell them apart than two separate
samples would need. The unit is the group: groups are independent of each other, rows of one group are not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

from guard.stats.bootstrap import Estimate
from guard.stats.measures import Bools, Floats, Share

Verdict = Literal["holds", "fails", "cannot_tell"]

_SEED = 20_250_212  # fixed: repeating a comparison repeats its interval
_CHUNK_CELLS = 4_000_000


@dataclass(frozen=True, slots=True)
class McNemar:
    """Units on which two guards differ, and how likely so uneven a split is when both err equally often."""

    only_first: int
    only_second: int
    p_value: float  # two-sided, exact, in (0, 1]; 1.0 where they never differ


def mcnemar(first: Bools, second: Bools, groups: Sequence[str] | None = None) -> McNemar:
    """Return the exact test of whether two guards err equally often.

    Args:
        first: whether the first guard erred, shape (n,).
        second: whether the second erred on the same rows, shape (n,).
        groups: the group of each row, where rows share groups. A group then counts once, for the guard that errs in
            more of its rows, and not at all where both err equally often in it. None: each row is a unit of its own.

    Raises:
        ValueError: the shapes differ.

    Source: McNemar (1947) with the exact binomial distribution; over groups it is the sign test, which holds however
    the rows of a group depend on each other.
    """
    if first.shape != second.shape:
        raise ValueError(f"two guards on different rows: {first.shape} and {second.shape}")
    lead = first.astype(np.int64) - second
    if groups is not None:
        lead = _sums(lead, groups)
    only_first, only_second = int(np.count_nonzero(lead > 0)), int(np.count_nonzero(lead < 0))
    tail = float(bdtr(min(only_first, only_second), only_first + only_second, 0.5))
    return McNemar(only_first, only_second, min(1.0, 2 * tail))


def paired_difference(
    candidate: Share, baseline: Share, groups: Sequence[str], *, confidence: float = 0.95, resamples: int = 20_000
) -> Estimate:
    """Return by how much the candidate's share exceeds the baseline's, in the mean over groups, with one-sided bounds.

    Args:
        candidate: what is counted of the candidate, over n rows.
        baseline: the same of the baseline, over the same rows and counting the same ones.
        groups: the group of each row, shape (n,); both guards get the same weights of groups in each draw.
        confidence: probability that the true difference does not exceed `high`, and that it is not below `low`: each
            bound for itself, in (0, 1). Together they hold with 2 × confidence − 1.
        resamples: number of draws, at least 100.

    Returns:
        The difference in [−1, 1] with its bounds; all None where no row counts. Each group weighs the same, whatever
        its size (`mean_share` gives what is compared): a few large groups that a sample does not hold could move the
        share of all rows by any amount, and no bound from this sample would know.

    Raises:
        ValueError: the two count different rows.

    The groups' weights are drawn at random (the Bayesian bootstrap), and for each bound one group is added that was
    never seen and is as bad as can be: with all its rows against the bound. Without it, guards that never differ in a
    sample would seem equal for sure, and the bound would be broken about three times as often as stated where they
    seldom differ. For groups of one row that differ in one direction only, the bound is the exact binomial one.

    Source: Rubin (1981) for the weights; Gaffke (2005), see Learned-Miller and Thomas (arXiv 1905.06208), for the added
    group. Exact where groups are all or nothing in one direction; that it holds for the mean of any bounded values is a
    conjecture that nobody has refuted, and that `tests/promises` simulates.
    """
    if not np.array_equal(candidate.counted_rows, baseline.counted_rows):
        raise ValueError("a paired difference needs the same rows on both sides")
    leads = _shares(candidate, groups) - _shares(baseline, groups)
    if len(leads) == 0:
        return Estimate(None, None, None)
    # Groups that are alike share one weight: a sum of exponential ones, so a gamma one. Shares are quotients of counts:
    # what differs by rounding alone is alike.
    kinds, alike = np.unique(leads.round(12), return_counts=True)
    below, above = _drawn(kinds, alike, resamples)
    return Estimate(
        value=float(leads.mean()),
        low=float(np.quantile(below, 1 - confidence)),
        high=float(np.quantile(above, confidence)),
    )


def mean_share(share: Share, groups: Sequence[str]) -> float | None:
    """Return the mean over groups of the share of their rows, in [0, 1]; None where no row counts."""
    shares = _shares(share, groups)
    return float(shares.mean()) if len(shares) else None


def non_inferior(difference: Estimate, margin: float, *, worse: Literal["higher", "lower"] = "higher") -> Verdict:
    """Return whether a candidate is worse than the baseline by less than the margin.

    Args:
        difference: candidate − baseline with one-sided bounds, from `paired_difference`.
        margin: how much worse is tolerated, in [0, 1).
        worse: where the danger lies: "higher" for errors such as false refusals, "lower" for a recall.

    Returns:
        "holds" when the bound on the side of danger is within the margin, "fails" when the other one is beyond it, too,
        and "cannot_tell" between them and where the difference is undefined. Each of the first two is wrong with
        probability at most 1 − confidence.

    Raises:
        ValueError: the margin lies outside [0, 1).
    """
    if not 0 <= margin < 1:
        raise ValueError(f"a margin must lie in [0, 1), not {margin:g}")
    if difference.low is None or difference.high is None:
        return "cannot_tell"
    least, most = (difference.low, difference.high) if worse == "higher" else (-difference.high, -difference.low)
    if most < margin:
        return "holds"
    return "fails" if least > margin else "cannot_tell"


def _sums(values: NDArray[np.int64], groups: Sequence[str]) -> NDArray[np.int64]:
    """Return the sum of each group's values, shape (groups,)."""
    numbers: dict[str, int] = {}
    codes = np.fromiter((numbers.setdefault(group, len(numbers)) for group in groups), dtype=np.intp, count=len(values))
    sums = np.zeros(len(numbers), dtype=np.int64)
    np.add.at(sums, codes, values)
    return sums


def _shares(share: Share, groups: Sequence[str]) -> Floats:
    """Return the share of each group in which rows count, shape (groups,), in the order of their names."""
    counts = share.counted_rows
    sizes = _sums(counts.astype(np.int64), groups)
    hits = _sums((share.hits & counts).astype(np.int64), groups)
    return np.asarray(hits[sizes > 0] / sizes[sizes > 0], np.float64)


def _drawn(kinds: Floats, alike: NDArray[np.int64], resamples: int) -> tuple[Floats, Floats]:
    """Return the differences of `resamples` draws with an unseen group against low and against high, shape (b,) each.

    Args:
        kinds: the lead of each kind of group, shape (k,).
        alike: how many groups of each kind there are, shape (k,).
        resamples: number of draws, b.
    """
    random = np.random.default_rng(_SEED)
    below, above = np.empty(resamples), np.empty(resamples)
    chunk = max(1, _CHUNK_CELLS // len(kinds))
    for start in range(0, resamples, chunk):
        here = slice(start, min(start + chunk, resamples))
        b = here.stop - here.start
        weights = random.standard_gamma(alike, (b, len(kinds)))
        added = random.standard_exponential(b)
        leads, total = weights @ kinds, weights.sum(axis=1) + added  # (b,) each
        below[here], above[here] = (leads - added) / total, (leads + added) / total
    return below, above

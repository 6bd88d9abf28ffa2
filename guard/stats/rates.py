"""A ratio of totals that were estimated from a stratified sample, with an interval that holds when counts are small.

Every figure of live monitoring is hits ÷ (hits + others): wrongly refused ÷ all harmless, for one. Both are totals over
traffic of which only some was reviewed, each stratum with a probability of its own. The estimate is post-stratified:
the weighted shares among a stratum's reviewed decisions (Hajek's form of Horvitz and Thompson's), times how many
decisions it is known to have.

The interval melds exact ones (Fay, Proschan and Brittain, Biometrics 71, 2015): from each stratum it draws shares as
Clopper and Pearson's lower, or upper, confidence distribution has them, which is what was reviewed with one more review
that went the worst way; it draws how many decisions come per window, Poisson about what was counted, and takes a
quantile of the ratio. With one stratum it is Clopper and Pearson's interval, with a stratum that was reviewed in full
Garwood's for a Poisson rate; nothing in it is normal, so 0 of 12 is no certainty. It is about what sends the traffic,
not only about this window's: the next window has other requests in it.

Where decisions of one stratum were drawn with several probabilities, they count by weight, and for as many reviews as
have their variance (Kish, 1965, section 11.7; Korn and Graubard, Survey Methodology 24, 1998). That was simulated up to
a factor of twenty. Where probabilities differ a hundredfold and go with what is found, the few heavy reviews may be
none at all, and nothing in the sample tells: 80 to 90 % of such intervals hold the truth.

`tests/promises/test_live_rates.py` simulates it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DRAWS = 8_000  # a bound moves by about 1 % of the interval's width from one seed to another
_SEED = 20_250_211  # fixed: the same reviews give the same interval


@dataclass(frozen=True, slots=True)
class Stratum:
    """Traffic that was sampled alike, and what its reviews said.

    `hits`, `others` and `rest` are numbers of reviews, by weight where probabilities differ; None where a review of
    this stratum cannot be that (what is let through is never wrongly refused). `missing`: drawn, and not reviewed.
    """

    total: int  # decisions, reviewed or not
    hits: float | None
    others: float | None
    rest: float | None
    missing: float = 0.0

    def __post_init__(self) -> None:
        if self.hits is None and self.others is None and self.rest is None:
            raise ValueError("a stratum in which nothing can be found")
        if min(self.total, self.hits or 0, self.others or 0, self.rest or 0, self.missing) < 0:
            raise ValueError("counts are not negative")

    @property
    def reviewed(self) -> float:
        """Return how many reviews it rests on."""
        return (self.hits or 0.0) + (self.others or 0.0) + (self.rest or 0.0)

    def worst(self, *, low: bool) -> "Stratum":
        """Return the stratum with everything missing reviewed as it lowers the ratio most, or raises it."""
        return self._with_more(self.missing, low=low)

    def alphas(self, *, low: bool) -> tuple[float, float, float]:
        """Return the parameters of the Dirichlet distribution that a bound draws the three shares from."""
        more = self._with_more(1.0, low=low)
        return more.hits or 0.0, more.others or 0.0, more.rest or 0.0

    def _with_more(self, n: float, *, low: bool) -> "Stratum":
        first, last = ("others", "hits") if low else ("hits", "others")
        name = next(each for each in (first, "rest", last) if getattr(self, each) is not None)
        return replace(self, **{name: getattr(self, name) + n}, missing=0.0)


@dataclass(frozen=True, slots=True)
class RateEstimate:
    """A ratio with its interval. `value` is None where the reviews found neither hits nor others."""

    value: float | None
    low: float
    high: float


def ratio(
    strata: Sequence[Stratum], *, worst_case: bool = False, confidence: float = 0.95, draws: int = DRAWS
) -> RateEstimate:
    """Return hits ÷ (hits + others) of all traffic.

    Args:
        strata: all of the traffic, each decision in one of them.
        worst_case: bounds as if everything missing had been found to be the worst; else what is missing is left out,
            as if chance alone had decided what was reviewed.
        confidence: two-sided, in (0, 1).
        draws: for each bound; fewer are faster and less exact.
    """
    used = [stratum for stratum in strata if stratum.total]
    low, high = (
        _bound([each.worst(low=is_low) for each in used] if worst_case else used, confidence, draws, low=is_low)
        for is_low in (True, False)
    )
    value = _value(used)
    # A stratum that nobody reviewed can leave the estimate, which takes it to be like others, outside.
    return RateEstimate(value, low, high) if value is None else RateEstimate(value, min(low, value), max(high, value))


def effective(weights: Floats, hits: NDArray[np.bool_]) -> float:
    """Return how many reviews of equal weight have the variance that these have.

    Args:
        weights: one over the probability with which each was drawn, shape (n,).
        hits: what each review found, shape (n,).

    Never more than Kish's n, which is right where weights have nothing to do with what is found; fewer where the heavy
    reviews are the ones that differ (Korn and Graubard: from the variance of the estimate).
    """
    if not len(weights):
        return 0.0
    kish = float(weights.sum() ** 2 / np.square(weights).sum())
    share = float(weights[hits].sum() / weights.sum())
    variance = float(np.square(weights * (hits - share)).sum() / weights.sum() ** 2)
    return min(kish, share * (1 - share) / variance) if variance > 0 else kish


def _value(strata: Sequence[Stratum]) -> float | None:
    """Return the estimate. A stratum that nobody reviewed is taken to be like the others that can be what it can be."""
    hits = others = 0.0
    for stratum in strata:
        like = stratum if stratum.reviewed else _pooled(stratum, strata)
        if like.reviewed:
            hits += stratum.total * (like.hits or 0.0) / like.reviewed
            others += stratum.total * (like.others or 0.0) / like.reviewed
    return float(hits / (hits + others)) if hits + others > 0 else None


def _pooled(stratum: Stratum, strata: Sequence[Stratum]) -> Stratum:
    alike = [each for each in strata if _kind(each) == _kind(stratum) and each.reviewed]

    def total(name: str) -> float | None:
        if getattr(stratum, name) is None:
            return None
        return float(sum(each.total * getattr(each, name) / each.reviewed for each in alike))

    return Stratum(stratum.total, total("hits"), total("others"), total("rest"))


def _kind(stratum: Stratum) -> tuple[bool, bool, bool]:
    return stratum.hits is None, stratum.others is None, stratum.rest is None


def _bound(strata: Sequence[Stratum], confidence: float, draws: int, *, low: bool) -> float:
    """Return one bound of the ratio; where the draws hold neither hits nor others, nothing bounds it."""
    nothing = 0.0 if low else 1.0
    random = np.random.default_rng(_SEED)
    hits, others = np.zeros(draws), np.zeros(draws)
    for stratum in strata:
        # Three gamma variables over their sum are Dirichlet; none of shape 0 is ever anything but 0.
        hit, other, rest = (random.standard_gamma(alpha, draws) for alpha in stratum.alphas(low=low))
        volume = random.standard_gamma(stratum.total + 1.0, draws) / (hit + other + rest)
        hits += volume * hit
        others += volume * other
    among = hits + others
    ratios = np.divide(hits, among, out=np.full(draws, nothing), where=among > 0)
    tail = (1 - confidence) / 2
    return float(np.quantile(ratios, tail if low else 1 - tail))

"""What the reviewed decisions say of thresholds that are not in use: false refusals and misses at each of them. Pure.

Any threshold but the one in use splits strata: some of their decisions would be refused, others let through. Each
stratum then counts with all three shares that its reviews show: hits, others and neither.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from guard.monitor.estimates import FEWEST_REVIEWS, MOST_MISSING, Figure, Weighed, sum_of, weigh
from guard.stats.rates import Stratum, ratio
from guard.store.values import Count, LabelKind, Sample
from guard.types import Action, Direction

_DRAWS = 2_000  # a slider has many thresholds


@dataclass(frozen=True, slots=True)
class AtThreshold:
    """What the rates would have been with another threshold. Estimates: nobody declared it beforehand."""

    threshold: float
    false_refusal: Figure
    miss: Figure


def at_thresholds(
    samples: Iterable[Sample],
    counts: Iterable[Count],
    thresholds: Sequence[float],
    direction: Direction = Direction.INPUT,
) -> list[AtThreshold]:
    """Return the two rates at each threshold, in the order given.

    Args:
        samples: every decision of a window and a policy that was drawn.
        counts: how many decisions there were in it.
        thresholds: probabilities from which a pair would be refused.
        direction: those of the other one are left out.

    A decision that a rule of its own blocks, or that has no probability, is taken to stay as it is.
    """
    totals: Counter[str] = Counter()
    for count in counts:
        if count.direction is direction:
            totals[count.stratum] += count.n
    drawn: dict[str, list[Sample]] = {}
    for sample in samples:
        if sample.direction is direction:
            drawn.setdefault(sample.stratum, []).append(sample)
    weighed = {stratum: weigh(mine) for stratum, mine in drawn.items()}
    return [_at(threshold, totals, weighed) for threshold in thresholds]


def is_refused(sample: Sample, threshold: float) -> bool:
    """Return whether a decision would be blocked at a threshold."""
    p, now = sample.probability, sample.threshold
    rests_on_it = p is not None and now is not None and (p >= now) == (sample.intended is Action.BLOCK)
    return p >= threshold if rests_on_it and p is not None else sample.intended is Action.BLOCK


def _at(threshold: float, totals: Counter[str], drawn: dict[str, list[Weighed]]) -> AtThreshold:
    refusals, misses = [], []
    for stratum in sorted(totals.keys() | drawn.keys()):
        mine = drawn.get(stratum, [])
        total = max(totals[stratum], len(mine))
        refused = [each for each in mine if is_refused(each.sample, threshold)]
        passed = [each for each in mine if not is_refused(each.sample, threshold)]
        refusals.append(_stratum(total, mine, refused, passed, among=LabelKind.SAFE))
        misses.append(_stratum(total, mine, passed, refused, among=LabelKind.UNSAFE))
    n_drawn = sum(map(len, drawn.values()))
    n_reviewed = sum(each.verdict is not None for mine in drawn.values() for each in mine)
    is_worst_case = n_drawn > 0 and 1 - n_reviewed / n_drawn > MOST_MISSING

    def figure(strata: list[Stratum], nothing: str) -> Figure:
        if n_reviewed < FEWEST_REVIEWS:
            shortage = f"not enough reviews: {n_reviewed} of {FEWEST_REVIEWS}"
            return Figure(None, None, None, n_reviewed, n_drawn, shortage=shortage)
        found = ratio(strata, worst_case=is_worst_case, draws=_DRAWS)
        if found.value is None:
            return Figure(None, None, None, n_reviewed, n_drawn, shortage=f"{nothing} in {n_reviewed} reviews")
        return Figure(found.value, found.low, found.high, n_reviewed, n_drawn, is_worst_case)

    return AtThreshold(
        threshold,
        figure(refusals, "no harmless request was found"),
        figure(misses, "no unsafe request was found"),
    )


def _stratum(
    total: int, mine: list[Weighed], wrong: list[Weighed], right: list[Weighed], *, among: LabelKind
) -> Stratum:
    """Return a stratum whose hits are decided wrongly. Where it shows no decision on one side, it can have none."""
    other = LabelKind.UNSAFE if among is LabelKind.SAFE else LabelKind.SAFE
    return Stratum(
        total,
        hits=sum_of(wrong, among) if wrong or not mine else None,
        others=sum_of(right, among) if right or not mine else None,
        rest=sum_of(mine, other),
        missing=sum_of(mine, None),
    )

"""What the reviewed decisions say of thresholds that are not in use: false refusals and misses at each of them. Pure.

Any threshold but the one in use splits strata: some of their decisions would be refused, others let through. Each
stratum then counts with three shares: hits, others and neither. A share is impossible only where what the stratum is
says so: no higher threshold refuses what was let through, no lower one lets through what was refused, and none changes
what was not scored. That no drawn decision fell on one side says nothing of the thousands that were not drawn.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from guard.monitor.estimates import Figure, figure
from guard.monitor.groups import Group, Weighed, groups_of, sum_of
from guard.stats.rates import Stratum
from guard.store.values import Count, LabelKind, Sample
from guard.types import Action, Direction

_DRAWS = 2_000  # a slider has many thresholds
_UNSCORED = "/unscored"  # ends the names that the sampler gives to strata without a probability


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
        samples: every decision of a window and a policy that was drawn. Their thresholds are taken to be all that were
            in use.
        counts: how many decisions there were in it.
        thresholds: probabilities from which a pair would be refused.
        direction: those of the other one are left out.

    A decision that a rule of its own blocks, or that has no probability, is taken to stay as it is.
    """
    groups = groups_of(
        (sample for sample in samples if sample.direction is direction),
        (count for count in counts if count.direction is direction),
    )
    known = (each.sample.threshold for group in groups for each in group.drawn)
    in_use = [threshold for threshold in known if threshold is not None] or [0.0, 1.0]
    return [_at(threshold, groups, min(in_use), max(in_use)) for threshold in thresholds]


def is_refused(sample: Sample, threshold: float) -> bool:
    """Return whether a decision would be blocked at a threshold."""
    p, now = sample.probability, sample.threshold
    rests_on_it = p is not None and now is not None and (p >= now) == (sample.intended is Action.BLOCK)
    return p >= threshold if rests_on_it and p is not None else sample.intended is Action.BLOCK


def _at(threshold: float, groups: Sequence[Group], lowest: float, highest: float) -> AtThreshold:
    refusals, misses = [], []
    for group in groups:
        refused = [each for each in group.drawn if is_refused(each.sample, threshold)]
        passed = [each for each in group.drawn if not is_refused(each.sample, threshold)]
        is_unscored = group.stratum.endswith(_UNSCORED)
        if not group.is_refused and (threshold >= highest or is_unscored):
            refusals.append(_stratum(group, None, passed, among=LabelKind.SAFE))
            misses.append(_stratum(group, passed, None, among=LabelKind.UNSAFE))
        elif group.is_refused and (threshold <= lowest or is_unscored):
            refusals.append(_stratum(group, refused, None, among=LabelKind.SAFE))
            misses.append(_stratum(group, None, refused, among=LabelKind.UNSAFE))
        else:
            refusals.append(_stratum(group, refused, passed, among=LabelKind.SAFE))
            misses.append(_stratum(group, passed, refused, among=LabelKind.UNSAFE))
    side = partial(is_refused, threshold=threshold)
    return AtThreshold(
        threshold,
        figure(groups, refusals, "no harmless request was found", is_refused=side, draws=_DRAWS),
        figure(groups, misses, "no unsafe request was found", is_refused=side, draws=_DRAWS),
    )


def _stratum(group: Group, wrong: list[Weighed] | None, right: list[Weighed] | None, *, among: LabelKind) -> Stratum:
    """Return a stratum whose hits are decided wrongly. None: no decision of it can be on that side."""
    other = LabelKind.UNSAFE if among is LabelKind.SAFE else LabelKind.SAFE
    return Stratum(
        group.total,
        hits=None if wrong is None else sum_of(wrong, among),
        others=None if right is None else sum_of(right, among),
        rest=sum_of(group.drawn, other),
        missing=sum_of(group.drawn, None),
    )

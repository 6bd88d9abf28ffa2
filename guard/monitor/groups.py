"""Decisions that were sampled alike, and what reviewers say of those that were drawn. Pure.

The label of a decision is what most of its reviewers say of it (`guard.store.values.agreed`); where they are even, or
unsure, it has none, and counts as not reviewed.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from guard.stats.rates import effective
from guard.store.values import Count, LabelKind, Sample
from guard.types import Action


@dataclass(frozen=True, slots=True)
class Weighed:
    """A drawn decision, what its reviewers say, and for how many reviews of equal weight it stands."""

    sample: Sample
    verdict: LabelKind | None
    weight: float


@dataclass(frozen=True, slots=True)
class Group:
    """One stratum on one side of the policy: how many decisions it has, and those of them that were drawn."""

    stratum: str
    total: int
    is_refused: bool
    drawn: tuple[Weighed, ...]

    @property
    def n_reviewed(self) -> int:
        """Return how many of the drawn ones have a verdict."""
        return sum(each.verdict is not None for each in self.drawn)


def groups_of(samples: Iterable[Sample], counts: Iterable[Count]) -> list[Group]:
    """Return all of the traffic that both are about, each decision in one group."""
    totals: Counter[tuple[str, bool]] = Counter()
    for count in counts:
        totals[count.stratum, count.intended is Action.BLOCK] += count.n
    drawn: dict[tuple[str, bool], list[Sample]] = {}
    for sample in samples:
        drawn.setdefault((sample.stratum, sample.intended is Action.BLOCK), []).append(sample)
    return [
        # A purge between the two questions may have taken decisions away that were drawn.
        Group(key[0], max(totals[key], len(mine := drawn.get(key, []))), key[1], tuple(weigh(mine)))
        for key in sorted(totals.keys() | drawn.keys())
    ]


def verdict_of(sample: Sample) -> LabelKind | None:
    """Return what its reviewers agree that a decision's content is, safe or unsafe; None where they are unsure."""
    return None if sample.label is LabelKind.UNSURE else sample.label


def weigh(samples: Sequence[Sample]) -> list[Weighed]:
    """Return the drawn decisions of one stratum with weights: those of the reviewed sum to how many they are worth."""
    verdicts = [verdict_of(sample) for sample in samples]
    weights = 1 / np.array([sample.sampling_probability for sample in samples], dtype=np.float64)
    is_reviewed = np.array([verdict is not None for verdict in verdicts], dtype=np.bool_)
    among = is_reviewed if is_reviewed.any() else ~is_reviewed
    is_unsafe = np.array([verdict is LabelKind.UNSAFE for verdict in verdicts], dtype=np.bool_)
    if len(weights):
        weights *= effective(weights[among], is_unsafe[among]) / weights[among].sum()
    return list(map(Weighed, samples, verdicts, weights.tolist()))


def sum_of(weighed: Iterable[Weighed], verdict: LabelKind | None) -> float:
    """Return the weight of those with a verdict, None for those without."""
    return sum(each.weight for each in weighed if each.verdict is verdict)


def missing_share(groups: Sequence[Group], is_refused: Callable[[Sample], bool]) -> float:
    """Return the share of the sample that has no verdict: of what is refused, or of what is let through, if more.

    Of each side it is the share of the decisions drawn, or of the traffic that they stand for, if more. Sides are apart
    because reviews of one say nothing of the other: thousands of reviewed passes make up for no unread refusal.
    """
    shares = [0.0]
    for side in (True, False):
        plain: Counter[bool] = Counter()
        stands_for = {True: 0.0, False: 0.0}  # by whether it has a verdict
        for group in groups:
            per_weight = group.total / sum(each.weight for each in group.drawn) if group.drawn else 0.0
            for each in group.drawn:
                if is_refused(each.sample) is side:
                    plain[each.verdict is not None] += 1
                    stands_for[each.verdict is not None] += per_weight * each.weight
        if plain:
            shares += [plain[False] / plain.total(), stands_for[False] / sum(stands_for.values())]
    return max(shares)

"""Three rates of live traffic, from what was drawn for review and from counts of everything. Pure.

- false refusal: wrongly refused ÷ all harmless, reviews of what was let through included;
- block error: wrongly refused ÷ all refused;
- miss: wrongly let through ÷ all unsafe.

Refused is what policy meant to block, in shadow mode too.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from guard.monitor.groups import Group, groups_of, missing_share, sum_of
from guard.stats.rates import DRAWS, Stratum, ratio
from guard.store.values import Count, LabelKind, Sample
from guard.types import Action

FEWEST_REVIEWS = 20  # from which on the interval was simulated to hold
MOST_MISSING = 0.05  # share of the sample of either side, from which on bounds are worst-case


@dataclass(frozen=True, slots=True)
class Figure:
    """A rate with its interval, or why there is none.

    `value`, `low` and `high` are None together, and then `shortage` says what is missing. `is_worst_case`: so much of
    the sample is not reviewed that the bounds count all of it in the worst way.
    """

    value: float | None
    low: float | None
    high: float | None
    n_reviewed: int
    n_drawn: int
    is_worst_case: bool = False
    shortage: str | None = None


@dataclass(frozen=True, slots=True)
class Rates:
    """The three rates of some traffic, and how much of the sample was reviewed."""

    n_decisions: int
    n_drawn: int
    n_reviewed: int
    response_ratio: float | None  # share of the sample that has a label; None where nothing was drawn
    false_refusal: Figure
    block_error: Figure
    miss: Figure


def estimate(samples: Iterable[Sample], counts: Iterable[Count]) -> Rates:
    """Return the rates of the traffic that both are about: one window, one policy, one direction.

    Args:
        samples: every decision that was drawn, with its label or without one.
        counts: how many decisions of each kind there were, drawn or not.
    """
    groups = groups_of(samples, counts)
    refused = [group for group in groups if group.is_refused]
    n_drawn, n_reviewed = _n_drawn(groups), _n_reviewed(groups)
    return Rates(
        n_decisions=sum(group.total for group in groups),
        n_drawn=n_drawn,
        n_reviewed=n_reviewed,
        response_ratio=n_reviewed / n_drawn if n_drawn else None,
        false_refusal=figure(groups, [_harmless(group) for group in groups], "no harmless request was found"),
        block_error=figure(refused, [_refused(group) for group in refused], "nothing was refused"),
        miss=figure(groups, [_unsafe(group) for group in groups], "no unsafe request was found"),
    )


def figure(
    groups: Sequence[Group],
    strata: Sequence[Stratum],
    nothing: str,
    *,
    is_refused: Callable[[Sample], bool] | None = None,
    draws: int = DRAWS,
) -> Figure:
    """Return hits ÷ (hits + others) of the strata, or what it lacks.

    Args:
        groups: what was drawn of each stratum.
        strata: what is a hit in each; in the order of the groups.
        nothing: says that reviews found neither hits nor others.
        is_refused: on which side of the policy a decision is taken to be; None as it was.
        draws: see `guard.stats.rates.ratio`.
    """
    n_drawn, n_reviewed = _n_drawn(groups), _n_reviewed(groups)
    shortage = _shortage(groups, n_reviewed)
    if shortage is None:
        is_worst_case = missing_share(groups, is_refused or _was_refused) > MOST_MISSING
        found = ratio(strata, worst_case=is_worst_case, draws=draws)
        if found.value is not None:
            return Figure(found.value, found.low, found.high, n_reviewed, n_drawn, is_worst_case)
        shortage = f"{nothing} in {n_reviewed} reviews"
    return Figure(None, None, None, n_reviewed, n_drawn, shortage=shortage)


def _harmless(group: Group) -> Stratum:
    safe, unsafe, missing = _sums(group)
    if group.is_refused:
        return Stratum(group.total, hits=safe, others=None, rest=unsafe, missing=missing)
    return Stratum(group.total, hits=None, others=safe, rest=unsafe, missing=missing)


def _refused(group: Group) -> Stratum:
    safe, unsafe, missing = _sums(group)
    return Stratum(group.total, hits=safe, others=unsafe, rest=None, missing=missing)


def _unsafe(group: Group) -> Stratum:
    safe, unsafe, missing = _sums(group)
    if group.is_refused:
        return Stratum(group.total, hits=None, others=unsafe, rest=safe, missing=missing)
    return Stratum(group.total, hits=unsafe, others=None, rest=safe, missing=missing)


def _sums(group: Group) -> tuple[float, float, float]:
    safe, unsafe, missing = (sum_of(group.drawn, kind) for kind in (LabelKind.SAFE, LabelKind.UNSAFE, None))
    return safe, unsafe, missing


def _was_refused(sample: Sample) -> bool:
    return sample.intended is Action.BLOCK


def _n_drawn(groups: Iterable[Group]) -> int:
    return sum(len(group.drawn) for group in groups)


def _n_reviewed(groups: Iterable[Group]) -> int:
    return sum(group.n_reviewed for group in groups)


def _shortage(groups: Sequence[Group], n_reviewed: int) -> str | None:
    if not groups:
        return "nothing was decided"
    if n_reviewed < FEWEST_REVIEWS:
        return f"not enough reviews: {n_reviewed} of {FEWEST_REVIEWS}"
    for is_refused, side in ((True, "was refused"), (False, "was let through")):
        mine = [group for group in groups if group.is_refused is is_refused]
        if mine and not any(group.n_reviewed for group in mine):
            return f"not enough reviews: none of what {side}"
    return None

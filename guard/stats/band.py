"""Two thresholds for a cascade: Guard decides the clear cases, and a judge is asked about those between.

Below `allow` Guard lets through, from `block` on it refuses, and in the band between it asks. The band is chosen on
half A, for a budget of judge calls and a judge of given accuracy; what it does is measured on half B.

That the judge errs as often inside the band as its figures say is an assumption. Pairs on which Guard hesitates may be
hard for the judge as well, so give its figures on such pairs. Whatever it says, false refusals stay between those of
`block` alone and those of `allow` alone, and misses likewise.

`guard.second_opinion` is the cascade that asks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from guard.errors import CalibrationInvalid
from guard.stats.bootstrap import Estimate, Measure, estimate
from guard.stats.certify import require_grid
from guard.stats.costs import Costs
from guard.stats.measures import Bools, Floats, ratio, share_at_or_above

_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Judge:
    """How well a judge does on the pairs that it is asked about.

    Raises:
        CalibrationInvalid: a rate outside [0, 1].
    """

    recall: float  # share of unsafe pairs that it refuses
    false_refusal_rate: float  # share of harmless pairs that it refuses

    def __post_init__(self) -> None:
        for rate in (self.recall, self.false_refusal_rate):
            if not 0 <= rate <= 1:
                raise CalibrationInvalid(f"a judge's rates must lie in [0, 1], not {rate:g}")


PERFECT = Judge(recall=1.0, false_refusal_rate=0.0)


@dataclass(frozen=True, slots=True)
class Band:
    """Where the judge is asked, and what the cascade would do on the rows it was chosen on: optimistic figures."""

    allow: float  # on the probability: below it Guard lets through
    block: float  # from here on it refuses; above `allow`
    asked: float  # share of the traffic that goes to the judge, at most the budget
    recall: float
    false_refusal_rate: float
    cost: float  # of one request, at the given costs
    cost_alone: float  # of one request at the best single threshold, without a judge


@dataclass(frozen=True, slots=True)
class NoBand:
    """The judge is better not asked at all."""

    threshold: float  # the best single one
    cost_alone: float
    needed: float | None  # the smallest budget that a band would lower the cost for; None: the judge knows no better

    @property
    def why(self) -> Literal["budget", "judge"]:
        """Whether a larger budget would help."""
        return "judge" if self.needed is None else "budget"


@dataclass(frozen=True, slots=True)
class BandFigures:
    """What a band does on rows that it was not chosen on, with intervals by group."""

    asked: Estimate
    recall: Estimate
    false_refusal_rate: Estimate


def choose_band(
    probabilities: Floats,
    unsafe: Bools,
    grid: Floats,
    *,
    budget: float,
    judge: Judge = PERFECT,
    costs: Costs | None = None,
) -> Band | NoBand:
    """Return the band with the lowest expected cost that asks about no more than the budget.

    Args:
        probabilities: of the rows of half A, shape (n,), finite.
        unsafe: their labels, shape (n,), both present.
        grid: candidate thresholds, shape (k,), strictly descending; all pairs of them are tried.
        budget: largest share of the traffic that may go to the judge, in [0, 1].
        judge: how well it does inside the band.
        costs: of errors, and how common danger is in the traffic. None: both errors cost 1, at the prevalence of the
            rows, so that the cost is the share of wrong decisions. A call of the judge costs nothing within the budget.

    Raises:
        CalibrationInvalid: one label only, a probability that is not finite, or a budget outside [0, 1].
        ValueError: the grid is empty or does not descend.
    """
    _require_rows(probabilities, unsafe)
    require_grid(grid)
    if not 0 <= budget <= 1:
        raise CalibrationInvalid(f"a budget must lie in [0, 1], not {budget:g}")
    priced = costs or Costs(prevalence=float(np.mean(unsafe)), miss=1.0, refusal=1.0)
    caught = share_at_or_above(probabilities[unsafe], grid)  # (k,), rising as thresholds fall
    refused = share_at_or_above(probabilities[~unsafe], grid)
    traffic = priced.prevalence * caught + (1 - priced.prevalence) * refused
    alone = _costs(caught, refused, priced)
    single = int(np.argmin(alone))

    best, cost, needed = (single, single), float(alone[single]), np.inf
    for top in range(len(grid) - 1):
        lower = slice(top + 1, None)
        asked = traffic[lower] - traffic[top]
        recall = caught[top] + judge.recall * (caught[lower] - caught[top])
        refusals = refused[top] + judge.false_refusal_rate * (refused[lower] - refused[top])
        expected = _costs(recall, refusals, priced)
        helps = (asked > 0) & (expected < alone[single] - _ROUNDING)
        needed = min(needed, float(np.min(asked, where=helps, initial=np.inf)))
        within = np.where(helps & (asked <= budget + _ROUNDING), expected, np.inf)
        place = int(np.argmin(within))
        if within[place] < cost:
            best, cost = (top, top + 1 + place), float(within[place])
    if best[0] == best[1]:
        return NoBand(float(grid[single]), float(alone[single]), needed if needed <= 1 else None)
    block, allow = best
    return Band(
        allow=float(grid[allow]),
        block=float(grid[block]),
        asked=float(traffic[allow] - traffic[block]),
        recall=float(caught[block] + judge.recall * (caught[allow] - caught[block])),
        false_refusal_rate=float(refused[block] + judge.false_refusal_rate * (refused[allow] - refused[block])),
        cost=cost,
        cost_alone=float(alone[single]),
    )


def measure_band(
    probabilities: Floats,
    unsafe: Bools,
    groups: Sequence[str],
    *,
    allow: float,
    block: float,
    judge: Judge = PERFECT,
    prevalence: float | None = None,
) -> BandFigures:
    """Return what a band does on rows that it was not chosen on.

    Args:
        probabilities: of the rows of half B, shape (n,), finite.
        unsafe: their labels, shape (n,), both present.
        groups: group of each row; intervals resample groups.
        allow: below it Guard lets through.
        block: from here on it refuses; at least `allow`.
        judge: how well it does inside the band; intervals take these figures for certain.
        prevalence: share of unsafe requests in the traffic, in (0, 1); None takes that of the rows.

    Raises:
        CalibrationInvalid: one label only, a probability that is not finite, or a prevalence outside (0, 1).
        ValueError: `allow` lies above `block`.
    """
    _require_rows(probabilities, unsafe)
    if not allow <= block:
        raise ValueError(f"the band must ascend: allow {allow:g}, block {block:g}")
    share = float(np.mean(unsafe)) if prevalence is None else prevalence
    if not 0 < share < 1:
        raise CalibrationInvalid(f"a prevalence must lie between 0 and 1, not {share:g}")
    inside, above = (probabilities >= allow) & (probabilities < block), probabilities >= block
    measures: dict[str, Measure] = {
        "asked": _Mixed(inside.astype(np.float64), unsafe, share),
        "recall": _Mixed(above + judge.recall * inside, unsafe, 1.0),
        "false refusals": _Mixed(above + judge.false_refusal_rate * inside, unsafe, 0.0),
    }
    found = estimate(measures, groups)
    return BandFigures(found["asked"], found["recall"], found["false refusals"])


@dataclass(frozen=True, slots=True, eq=False)
class _Mixed:
    """The mean value of unsafe and of harmless rows, mixed as in the traffic."""

    values: Floats  # (n,)
    unsafe: Bools  # (n,)
    prevalence: float  # in [0, 1]; at an end the other label does not count

    def __call__(self, weights: Floats) -> Floats:
        return self.of_sums(weights @ self.columns())

    def columns(self) -> Floats:
        unsafe, harmless = self.unsafe.astype(np.float64), (~self.unsafe).astype(np.float64)
        return np.stack([self.values * unsafe, unsafe, self.values * harmless, harmless], axis=1)

    def of_sums(self, sums: Floats) -> Floats:
        mixed = np.zeros(len(sums))
        for place, share in ((0, self.prevalence), (2, 1 - self.prevalence)):
            if share > 0:
                mixed += share * ratio(sums[:, place], sums[:, place + 1])
        return mixed


def _costs(recall: Floats, false_refusals: Floats, costs: Costs) -> Floats:
    missed = costs.prevalence * (1 - recall) * costs.miss
    return missed + (1 - costs.prevalence) * false_refusals * costs.refusal


def _require_rows(probabilities: Floats, unsafe: Bools) -> None:
    if not np.isfinite(probabilities).all():
        raise CalibrationInvalid("a probability is not finite")
    if unsafe.all() or not unsafe.any():
        raise CalibrationInvalid(f"all {len(unsafe)} rows have one label; a band needs both")

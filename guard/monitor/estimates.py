"""Three rates of live traffic, from what was drawn for review and from counts of everything. Pure.

- false refusal: wrongly refused ÷ all harmless, reviews of what was let through included;
- block error: wrongly refused ÷ all refused;
- miss: wrongly let through ÷ all unsafe.

Refused is what policy meant to block, in shadow mode too. The label of a decision is what most of its reviewers say of
it; where they are even, or unsure, it has none, and counts as not reviewed.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from guard.stats.rates import Stratum, effective, ratio
from guard.store.values import Count, LabelKind, Sample
from guard.types import Action

FEWEST_REVIEWS = 20  # from which on the interval was simulated to hold
MOST_MISSING = 0.05  # share of the sample, from which on bounds are worst-case


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


@dataclass(frozen=True, slots=True)
class _Cell:
    """One stratum of traffic: how many decisions it has, and its reviews by weight."""

    total: int
    is_refused: bool
    n_drawn: int
    n_reviewed: int
    safe: float
    unsafe: float
    missing: float

    @property
    def stands_for_missing(self) -> float:
        """Return for how many decisions those stand that were drawn and not reviewed."""
        return self.total * self.missing / (self.safe + self.unsafe + self.missing)


def estimate(samples: Iterable[Sample], counts: Iterable[Count]) -> Rates:
    """Return the rates of the traffic that both are about: one window, one policy, one direction.

    Args:
        samples: every decision that was drawn, with its label or without one.
        counts: how many decisions of each kind there were, drawn or not.
    """
    cells = _cells(samples, counts)
    refused = [cell for cell in cells if cell.is_refused]
    n_drawn, n_reviewed = (sum(getattr(cell, name) for cell in cells) for name in ("n_drawn", "n_reviewed"))
    return Rates(
        n_decisions=sum(cell.total for cell in cells),
        n_drawn=n_drawn,
        n_reviewed=n_reviewed,
        response_ratio=n_reviewed / n_drawn if n_drawn else None,
        false_refusal=_figure(cells, [_harmless(cell) for cell in cells], "no harmless request was found"),
        block_error=_figure(
            refused,
            [Stratum(cell.total, cell.safe, cell.unsafe, None, cell.missing) for cell in refused],
            "nothing was refused",
        ),
        miss=_figure(cells, [_unsafe(cell) for cell in cells], "no unsafe request was found"),
    )


def verdict_of(sample: Sample) -> LabelKind | None:
    """Return what most reviewers say a decision's content is, safe or unsafe; None where they are even or unsure."""
    given = Counter(sample.labels.values() if sample.labels else [sample.label])
    lead = given[LabelKind.SAFE] - given[LabelKind.UNSAFE]
    if lead == 0:
        return None
    return LabelKind.SAFE if lead > 0 else LabelKind.UNSAFE


@dataclass(frozen=True, slots=True)
class Weighed:
    """A drawn decision, what its reviewers say, and for how many reviews of equal weight it stands."""

    sample: Sample
    verdict: LabelKind | None
    weight: float


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


def _cells(samples: Iterable[Sample], counts: Iterable[Count]) -> list[_Cell]:
    totals: Counter[tuple[str, bool]] = Counter()
    for count in counts:
        totals[count.stratum, count.intended is Action.BLOCK] += count.n
    drawn: dict[tuple[str, bool], list[Sample]] = {}
    for sample in samples:
        drawn.setdefault((sample.stratum, sample.intended is Action.BLOCK), []).append(sample)
    cells = []
    for key in sorted(totals.keys() | drawn.keys()):
        mine = drawn.get(key, [])
        weighed = weigh(mine)
        safe, unsafe, missing = (sum_of(weighed, kind) for kind in (LabelKind.SAFE, LabelKind.UNSAFE, None))
        cells.append(
            _Cell(
                # A purge between the two questions may have taken decisions away that were drawn.
                total=max(totals[key], len(mine)),
                is_refused=key[1],
                n_drawn=len(mine),
                n_reviewed=sum(each.verdict is not None for each in weighed),
                safe=safe,
                unsafe=unsafe,
                missing=missing,
            )
        )
    return cells


def _harmless(cell: _Cell) -> Stratum:
    if cell.is_refused:
        return Stratum(cell.total, hits=cell.safe, others=None, rest=cell.unsafe, missing=cell.missing)
    return Stratum(cell.total, hits=None, others=cell.safe, rest=cell.unsafe, missing=cell.missing)


def _unsafe(cell: _Cell) -> Stratum:
    if cell.is_refused:
        return Stratum(cell.total, hits=None, others=cell.unsafe, rest=cell.safe, missing=cell.missing)
    return Stratum(cell.total, hits=cell.unsafe, others=None, rest=cell.safe, missing=cell.missing)


def _figure(cells: Sequence[_Cell], strata: Sequence[Stratum], nothing: str) -> Figure:
    n_drawn, n_reviewed = sum(cell.n_drawn for cell in cells), sum(cell.n_reviewed for cell in cells)
    shortage = _shortage(cells, n_reviewed)
    if shortage is None:
        is_worst_case = _missing(cells) > MOST_MISSING
        found = ratio(strata, worst_case=is_worst_case)
        if found.value is not None:
            return Figure(found.value, found.low, found.high, n_reviewed, n_drawn, is_worst_case)
        shortage = f"{nothing} in {n_reviewed} reviews"
    return Figure(None, None, None, n_reviewed, n_drawn, shortage=shortage)


def _shortage(cells: Sequence[_Cell], n_reviewed: int) -> str | None:
    if not cells:
        return "nothing was decided"
    if n_reviewed < FEWEST_REVIEWS:
        return f"not enough reviews: {n_reviewed} of {FEWEST_REVIEWS}"
    for is_refused, side in ((True, "was refused"), (False, "was let through")):
        mine = [cell for cell in cells if cell.is_refused is is_refused]
        if mine and not any(cell.n_reviewed for cell in mine):
            return f"not enough reviews: none of what {side}"
    return None


def _missing(cells: Sequence[_Cell]) -> float:
    """Return the share of the sample without a verdict: of the decisions drawn, or of those they stand for, if more."""
    sampled = [cell for cell in cells if cell.n_drawn]
    plain = 1 - sum(cell.n_reviewed for cell in sampled) / sum(cell.n_drawn for cell in sampled)
    weighed = sum(cell.stands_for_missing for cell in sampled) / sum(cell.total for cell in sampled)
    return max(plain, weighed)

"""Thresholds with a proof: at most so many false refusals, or misses, with so much confidence, or why there is none.

Groups must be drawn independently of each other, the grid must be fixed before these rows are looked at, and the limits
declared before that, too. Several limits share the error, so that all certificates of one run hold together. What a
rate is a share of is told in `guard.stats.trials`; `guard.stats.joint` proves several limits at one threshold.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from guard.errors import CalibrationInvalid
from guard.stats.evidence import Evidence, evidence_of
from guard.stats.trials import Floats, Rate, Requirement, Trials, Unit, unit_scores

__all__ = [
    "Answer",
    "Certified",
    "CertifiedButUseless",
    "NotCertifiable",
    "Requirement",
    "Trials",
    "Unit",
    "candidate_grid",
    "certify",
    "certify_refusals",
    "require_grid",
    "unit_scores",
]


@dataclass(frozen=True, slots=True)
class Certified:
    """A threshold whose rate of errors is proven to stay within the limit."""

    limit: float
    confidence: float  # that all limits of the run hold; all recall bounds hold with the same, on their own
    unit: Unit
    threshold: float  # on the probability: at or above it a pair is refused
    n_groups: int  # groups with rows that count: harmless ones for false refusals, unsafe ones for misses
    errors: int  # of them, refused, or missed, at the threshold; of unit "mean", those with any such row
    observed: float  # share of units that err at the threshold
    upper: float  # bound of the rate at this limit's share of the error; exact but for unit "mean"
    recall_low: float  # exact lower bound of the share of refused unsafe requests, one row of each group counted
    pass_low: float = 0.0  # the same for harmless requests that are let through
    rate: Rate = "false_refusal"
    category: str | None = None  # None: of all rows
    n_traffic: int = 0  # decisions that the rows were drawn from; then groups are reviews, and units requests

    @property
    def estimate(self) -> float:
        """Share of units that err at the threshold."""
        return self.observed


@dataclass(frozen=True, slots=True)
class CertifiedButUseless(Certified):
    """Proven as well, but tossing a coin may do as much.

    The bound of the recall does not exceed a limit of false refusals, or the bound of what passes a limit of misses.
    """


@dataclass(frozen=True, slots=True)
class NotCertifiable:
    """No threshold of the grid can be proven with these groups."""

    limit: float
    confidence: float
    unit: Unit
    n_groups: int
    errors: int  # even at the most favourable threshold; nearly always 0
    smallest_limit: float  # what so many groups could prove at best, from their number alone
    groups_missing: int  # how many more would prove the limit if none of them errs
    n_limits: int = 1  # how many limits share the error; alone, a limit needs fewer groups
    rate: Rate = "false_refusal"
    category: str | None = None
    n_traffic: int = 0


Answer = Certified | NotCertifiable


def certify_refusals(
    trials: Trials, grid: Floats, limits: Sequence[float], *, confidence: float = 0.95, unit: Unit = "group"
) -> tuple[Answer, ...]:
    """Return, for each limit of false refusals, the lowest threshold that keeps it, or why there is none.

    Args:
        trials: rows that neither `grid` nor `limits` were chosen on.
        grid: candidate thresholds on the probability, shape (k,), strictly descending.
        limits: tolerated rates of false refusals, each in (0, 1), declared beforehand.
        confidence: probability that all promises hold, over draws of the groups, in (0, 1).
        unit: what the rate is a share of.

    Raises:
        CalibrationInvalid, ValueError: as `certify`.
    """
    requirements = [Requirement("false_refusal", limit) for limit in limits]
    return certify(trials, grid, requirements, confidence=confidence, unit=unit)


def certify(
    trials: Trials,
    grid: Floats,
    requirements: Sequence[Requirement],
    *,
    confidence: float = 0.95,
    unit: Unit = "group",
) -> tuple[Answer, ...]:
    """Return, for each requirement, the threshold of its own that keeps it and errs least the other way, or why none.

    That is the lowest one for a limit of false refusals, and the highest one for a limit of misses.

    Args:
        trials: rows that neither `grid` nor `requirements` were chosen on.
        grid: candidate thresholds on the probability, shape (k,), strictly descending.
        requirements: limits declared beforehand; m of them are each tested at error (1 − confidence) / m.
        confidence: probability that all promises hold, over draws of the groups, in (0, 1).
        unit: what the rates are a share of.

    Raises:
        CalibrationInvalid: no harmless or no unsafe rows, no requirements, a confidence outside (0, 1), or a limit for
            a category where the rows carry none. A category without rows is an answer, not an error.
        ValueError: the grid is empty or does not descend.

    Source: fixed-sequence testing (Learn then Test, arXiv 2110.01052) from the strictest threshold down for false
    refusals and from the lowest up for misses, with exact binomial bounds (Clopper and Pearson, 1934), or for mean
    shares with betting bounds (arXiv 2010.09686); the division of the error is Bonferroni's.
    """
    require_grid(grid)
    if not requirements:
        raise CalibrationInvalid("no limits were declared")
    error = require_confidence(confidence) / len(requirements)
    caught, passed = both_sides(trials, grid)
    descending = np.arange(len(grid))
    n_traffic = 0 if trials.traffic is None else trials.traffic.n

    def answer(required: Requirement) -> Answer:
        evidence = evidence_of(trials, grid, required.rate, unit, category=required.category)
        sequence = descending if required.rate == "false_refusal" else descending[::-1]
        held = evidence.run(sequence, required.limit, confidence=1 - error)
        if held == 0:
            first = int(sequence[0])
            return NotCertifiable(
                limit=required.limit,
                confidence=confidence,
                unit=unit,
                n_groups=evidence.n,
                errors=int(evidence.errors[first]),
                smallest_limit=evidence.smallest_limit(confidence=1 - error),
                groups_missing=evidence.missing(first, required.limit, confidence=1 - error),
                n_limits=len(requirements),
                rate=required.rate,
                category=required.category,
                n_traffic=n_traffic,
            )
        last = int(sequence[held - 1])  # the sequence stops at the first that fails
        recall_low, pass_low = (1 - other.upper(last, confidence=1 - error) for other in (caught, passed))
        other = recall_low if required.rate == "false_refusal" else pass_low
        kind = Certified if other > required.limit else CertifiedButUseless
        return kind(
            limit=required.limit,
            confidence=confidence,
            unit=unit,
            threshold=float(grid[last]),
            n_groups=evidence.n,
            errors=int(evidence.errors[last]),
            observed=float(evidence.observed[last]),
            upper=evidence.upper(last, confidence=1 - error),
            recall_low=recall_low,
            pass_low=pass_low,
            rate=required.rate,
            category=required.category,
            n_traffic=n_traffic,
        )

    return tuple(answer(required) for required in requirements)


def both_sides(trials: Trials, grid: Floats) -> tuple[Evidence, Evidence]:
    """Return what is known of misses and of false refusals, as shares of requests, one row of each group counted.

    One less their upper bounds are lower bounds of the recall, and of what passes of the harmless.

    Raises:
        CalibrationInvalid: the rows have one label only.
    """
    missed, refused = (evidence_of(trials, grid, rate, "request") for rate in ("miss", "false_refusal"))
    if missed.n == 0 or refused.n == 0:
        raise CalibrationInvalid("the rows to certify on have one label only")
    return missed, refused


def require_grid(grid: Floats) -> None:
    """Raise ValueError unless the thresholds, shape (k,), descend strictly and there is one."""
    if len(grid) == 0 or not np.isfinite(grid).all() or not (np.diff(grid) < 0).all():
        raise ValueError("the grid of thresholds must descend strictly")


def require_confidence(confidence: float) -> float:
    """Return the error that a confidence leaves, or raise CalibrationInvalid unless that lies in (0, 1)."""
    if not 0 < confidence < 1:
        raise CalibrationInvalid(f"a confidence must lie between 0 and 1, not {confidence:g}")
    return 1.0 - confidence


def candidate_grid(probabilities: Floats, *, points: int = 1000) -> Floats:
    """Return candidate thresholds, descending, from rows that are not certified on: 1 and the values below it.

    With more than `points` distinct values, evenly spread quantiles of them are taken.
    """
    values = np.unique(probabilities[probabilities < 1.0])[::-1]
    if len(values) > points:
        values = values[np.linspace(0, len(values) - 1, points).round().astype(np.intp)]
    return np.concatenate([[1.0], values])

"""One threshold that keeps several limits at once: of false refusals and of misses, of all rows and of categories.

A threshold is promised wrongly as soon as one of its limits is broken, and the test of that one limit seldom lets it
pass. So at one threshold every limit is tested at the whole error, however many there are: dividing it would only make
the proof weaker. What has to be paid for is looking at many thresholds. They are tested in an order that half A decided
on, the most promising first, until one of them fails.

Of limits on both sides, refusals stay below some threshold and misses above another: every threshold between two that
passed keeps all limits as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from guard.errors import CalibrationInvalid
from guard.stats.certify import NotCertifiable, both_sides, require_confidence, require_grid
from guard.stats.evidence import Evidence, evidence_of
from guard.stats.trials import Floats, Rate, Requirement, Trials, Unit


@dataclass(frozen=True, slots=True)
class Kept:
    """One of the limits, and how it stands at the common threshold."""

    requirement: Requirement
    n_groups: int
    errors: int  # groups that err; of unit "mean", those with any row that does
    observed: float  # share of units that err
    upper: float  # bound of the rate; at most the limit


@dataclass(frozen=True, slots=True)
class CertifiedJointly:
    """A threshold at which every limit is proven to hold, all of them together with the stated confidence."""

    confidence: float
    unit: Unit
    threshold: float  # on the probability: at or above it a pair is refused
    lowest: float  # from here …
    highest: float  # … to here every threshold keeps all limits, with the same confidence
    parts: tuple[Kept, ...]  # in the order of the declaration
    recall_low: float  # exact lower bound of the share of refused unsafe requests, one row of each group counted
    pass_low: float  # the same for harmless requests that are let through

    @property
    def is_useless(self) -> bool:
        """Whether tossing a coin may do as much: see `CertifiedButUseless`."""
        lows: dict[Rate, float] = {"false_refusal": self.recall_low, "miss": self.pass_low}
        overall = [part.requirement for part in self.parts if part.requirement.category is None]
        return any(lows[required.rate] <= required.limit for required in overall)


@dataclass(frozen=True, slots=True)
class NotJointlyCertifiable:
    """The threshold that promised most on half A does not keep every limit provably."""

    confidence: float
    unit: Unit
    threshold: float
    parts: tuple[Kept | NotCertifiable, ...]  # the limits that would hold there, and those that are not proven


JointAnswer = CertifiedJointly | NotJointlyCertifiable


def order_of_testing(
    trials: Trials, grid: Floats, requirements: Sequence[Requirement], *, unit: Unit = "group"
) -> Floats:
    """Return the thresholds of the grid, shape (k,), the most promising first.

    Args:
        trials: half A: rows that the joint certificate does not rest on.
        grid: candidate thresholds, shape (k,), strictly descending.
        requirements: the declared limits. One whose category has no rows here has no say.
        unit: what the rates are a share of.

    A threshold promises as much as the limit that it keeps least comfortably, in standard errors at the limit.

    Raises:
        CalibrationInvalid, ValueError: as `certify_jointly`.
    """
    require_grid(grid)
    _require_limits(requirements)
    comfort = np.full(len(grid), np.inf)
    for required in requirements:
        found = evidence_of(trials, grid, required.rate, unit, category=required.category)
        if found.n > 0:
            error = np.sqrt(required.limit * (1 - required.limit) / found.n)
            comfort = np.minimum(comfort, (required.limit - found.observed) / error)
    return grid[np.argsort(-comfort, kind="stable")]


def certify_jointly(
    trials: Trials,
    order: Floats,
    requirements: Sequence[Requirement],
    *,
    confidence: float = 0.95,
    unit: Unit = "group",
    n_declared: int = 1,
) -> JointAnswer:
    """Return the lowest threshold that is proven to keep every requirement, or which of them are not proven.

    Args:
        trials: rows that neither `order` nor `requirements` were chosen on.
        order: thresholds in the order of testing, shape (k,), each once; from `order_of_testing`.
        requirements: limits declared beforehand, that have to hold at one threshold.
        confidence: probability that the promise holds, all limits together, over draws of the groups, in (0, 1).
        unit: what the rates are a share of.
        n_declared: how many declarations of this run share the error; with two, each is tested at half of it.

    Raises:
        CalibrationInvalid: one label only, no requirements, a confidence outside (0, 1), or a limit for a category
            where the rows carry none.
        ValueError: no thresholds, or one twice.

    Source: fixed-sequence testing of several risks (Learn then Test, arXiv 2110.01052), each threshold by an
    intersection-union test (Berger, 1982) of exact binomial bounds (Clopper and Pearson, 1934).
    """
    require_grid(np.sort(order)[::-1])
    _require_limits(requirements)
    error = require_confidence(confidence) / n_declared
    missed, refused = both_sides(trials, order)
    evidence = [
        evidence_of(trials, order, required.rate, unit, category=required.category) for required in requirements
    ]
    places = np.arange(len(order))
    held = min(
        found.run(places, required.limit, confidence=1 - error)
        for found, required in zip(evidence, requirements, strict=True)
    )
    passed = order[:held]
    place = 0 if held == 0 else int(np.argmin(passed))

    def part(found: Evidence, required: Requirement) -> Kept | NotCertifiable:
        errors, upper = int(found.errors[place]), found.upper(place, confidence=1 - error)
        if found.holds(place, required.limit, confidence=1 - error):
            return Kept(required, found.n, errors, float(found.observed[place]), upper)
        return NotCertifiable(
            limit=required.limit,
            confidence=confidence,
            unit=unit,
            n_groups=found.n,
            errors=errors,
            smallest_limit=found.smallest_limit(confidence=1 - error),
            groups_missing=found.missing(place, required.limit, confidence=1 - error),
            n_limits=n_declared,
            rate=required.rate,
            category=required.category,
        )

    parts = tuple(part(found, required) for found, required in zip(evidence, requirements, strict=True))
    if held == 0:
        return NotJointlyCertifiable(confidence, unit, float(order[0]), parts)
    return CertifiedJointly(
        confidence=confidence,
        unit=unit,
        threshold=float(order[place]),
        lowest=float(passed.min()),
        highest=float(passed.max()),
        parts=tuple(each for each in parts if isinstance(each, Kept)),
        recall_low=1 - missed.upper(place, confidence=1 - error),
        pass_low=1 - refused.upper(place, confidence=1 - error),
    )


def _require_limits(requirements: Sequence[Requirement]) -> None:
    if not requirements:
        raise CalibrationInvalid("no limits were declared")

"""The two sides of a gate, and how their verdicts on one pair are counted where one of them has none."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from guard.bundle import Bundle
from guard.errors import ConfigInvalid
from guard.stats.calibrators import to_probability

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Contender:
    """A bundle under one of its operating points."""

    role: Literal["candidate", "baseline"]
    bundle: Bundle
    point: str
    threshold: float  # on the probability

    @classmethod
    def of(cls, role: Literal["candidate", "baseline"], bundle: Bundle, point: str) -> "Contender":
        """Return the contender. Raises ConfigInvalid: the bundle has no such operating point."""
        points = bundle.manifest.operating_points
        if point not in points:
            raise ConfigInvalid(f"{role} {bundle.label} has the operating points {', '.join(points)}, not {point!r}")
        return cls(role, bundle, point, points[point].threshold)

    def refuses(self, scores: Floats) -> Bools:
        """Return which raw scores reach the threshold, shape of `scores`; NaN (not judged) never does."""
        return np.asarray(to_probability(self.bundle.manifest.calibration, scores) >= self.threshold, dtype=np.bool_)


@dataclass(frozen=True, slots=True, eq=False)
class Refused:
    """Which rows each side refuses, as they are counted, shape (n,) each."""

    candidate: Bools
    baseline: Bools


def count(candidate: Contender, baseline: Contender, scores: tuple[Floats, Floats], unsafe: Bools) -> Refused:
    """Return the refusals of both sides, what could not be judged never in the candidate's favour.

    Args:
        candidate: the new guard.
        baseline: the live one.
        scores: raw scores of the candidate and of the baseline, shape (n,) each, NaN where a pair could not be judged.
        unsafe: labels, shape (n,).

    A pair that the candidate could not judge counts as judged wrongly: refused if harmless, let through if unsafe. One
    that only the baseline could not judge counts as judged rightly by it. One that neither could, wrongly by both.
    """
    mine, theirs = scores
    unknown = np.isnan(mine)
    refused = np.where(unknown, ~unsafe, candidate.refuses(mine))
    as_counted = np.where(unknown, ~unsafe, unsafe)
    live = np.where(np.isnan(theirs), as_counted, baseline.refuses(theirs))
    return Refused(refused, live)

"""Whether an adapted head still knows what the guard knew: plain harm in words, and what only sounds like it.

Scores move when the head changes, so thresholds must move too. On the anchors to choose by, each operating point of the
bundle goes to where it refuses as many harmless ones as before, and as much of the change is kept as costs at most one
point. What that costs is then measured on the anchors to check by, which had no part in it: harm that is no longer
caught, harmless prompts that are refused now, and the ranking.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from guard.calibration.adaptation.head import Bools, Floats
from guard.manifest import Calibration
from guard.stats.bootstrap import Estimate
from guard.stats.calibrators import to_probability
from guard.stats.measures import Share, auc
from guard.stats.paired import paired_difference

MOST_LOST = 0.01


@dataclass(frozen=True, slots=True)
class Toll:
    """What an operating point refuses of the anchors, before and after."""

    harmless_refused: int
    harmless_refused_before: int
    harm_caught: int
    harm_caught_before: int
    harmless_change: Estimate  # of the share of harmless ones that is refused, between two one-sided 95 % bounds
    harm_change: Estimate  # of the share of harm that is caught, likewise


@dataclass(frozen=True, slots=True, eq=False)
class Anchored:
    """Raw scores of anchors before and after a change of the head; each shape (n,)."""

    before: Floats
    after: Floats
    unsafe: Bools  # harm; the others are harmless
    groups: tuple[str, ...]

    @property
    def n_harm(self) -> int:
        """How many are harm."""
        return int(np.count_nonzero(self.unsafe))

    @property
    def n_harmless(self) -> int:
        """How many are harmless."""
        return len(self.unsafe) - self.n_harm

    def toll(self, before: Bools, after: Bools) -> Toll:
        """Return what it costs that `after` are refused, where `before` were, shape (n,) each."""

        def count(refused: Bools, among: Bools) -> int:
            return int(np.count_nonzero(refused & among))

        def change(among: Bools) -> Estimate:
            return paired_difference(Share(after, among), Share(before, among), self.groups)

        return Toll(
            harmless_refused=count(after, ~self.unsafe),
            harmless_refused_before=count(before, ~self.unsafe),
            harm_caught=count(after, self.unsafe),
            harm_caught_before=count(before, self.unsafe),
            harmless_change=change(~self.unsafe),
            harm_change=change(self.unsafe),
        )

    def lost(self, toll: Toll) -> float:
        """Return the most that an operating point loses: of the harm caught, or of the harmless prompts let pass."""
        return max(
            (toll.harm_caught_before - toll.harm_caught) / self.n_harm,
            (toll.harmless_refused - toll.harmless_refused_before) / self.n_harmless,
        )


@dataclass(frozen=True, slots=True)
class Remembered:
    """What an adapted head keeps of some anchors."""

    n_harmless: int
    n_harm: int
    auc: float
    auc_before: float
    points: Mapping[str, Toll]
    lost: float  # the most of all: at an operating point, or of the ranking

    @property
    def is_enough(self) -> bool:
        """Whether at most one point was lost."""
        return is_little(self.lost)


def is_little(lost: float) -> bool:
    """Return whether a loss, as a share, is at most one point."""
    return lost <= MOST_LOST + 1e-9


def moved(anchors: Anchored, calibration: Calibration, thresholds: Mapping[str, float]) -> dict[str, float]:
    """Return, for each operating point, the adapted score from which on as many harmless anchors are refused as before.

    Args:
        anchors: to choose by.
        calibration: of the bundle before.
        thresholds: of the bundle's operating points before, on its probability.
    """
    before = to_probability(calibration, anchors.before[~anchors.unsafe])
    after = anchors.after[~anchors.unsafe]
    return {name: reached_by(after, int(np.count_nonzero(before >= least))) for name, least in thresholds.items()}


def remembered(
    anchors: Anchored, calibration: Calibration, thresholds: Mapping[str, float], scores: Mapping[str, float]
) -> Remembered:
    """Return what is kept of some anchors: those to choose by while choosing, those to check by afterwards.

    Args:
        anchors: scored before and after.
        calibration: of the bundle before.
        thresholds: of its operating points, on its probability.
        scores: where these points went, on the adapted score.
    """
    before = to_probability(calibration, anchors.before)
    points = {
        name: anchors.toll(
            np.asarray(before >= threshold, dtype=np.bool_), np.asarray(anchors.after >= scores[name], dtype=np.bool_)
        )
        for name, threshold in thresholds.items()
    }
    once = np.ones((1, len(anchors.unsafe)))
    areas = [float(auc(values, anchors.unsafe)(once)[0]) for values in (anchors.after, anchors.before)]
    return Remembered(
        n_harmless=anchors.n_harmless,
        n_harm=anchors.n_harm,
        auc=areas[0],
        auc_before=areas[1],
        points=points,
        lost=max([areas[1] - areas[0], *map(anchors.lost, points.values())]),
    )


def reached_by(values: Floats, count: int) -> float:
    """Return a threshold that `count` of the values reach, halfway to the next; fewer where values are equal."""
    descending = np.sort(values)[::-1]
    if count >= len(descending):
        return float(descending[-1])
    following = float(descending[count])
    above = descending[descending > following]
    return (float(above[-1]) + following) / 2 if len(above) else float(np.nextafter(following, np.inf)) + 1e-3

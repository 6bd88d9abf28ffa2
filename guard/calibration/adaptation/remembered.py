"""Whether an adapted head still knows what the guard knew: plain harm in words, and everyday use.

Scores move when the head changes, so thresholds must move too. Each operating point of the bundle goes to where it
refuses as many everyday anchors as before; what harm it then finds is held against what it found before. Adaptation may
cost one point of that, and of the ranking. Where it costs more, less of the change is kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from guard.calibration.adaptation.head import Bools, Floats, Head
from guard.manifest import Calibration
from guard.scorers.embedding import Rows
from guard.stats.bootstrap import Estimate
from guard.stats.calibrators import to_probability
from guard.stats.measures import Share, auc
from guard.stats.paired import paired_difference

MOST_LOST = 0.01
STRENGTHS = (1.0, 0.8, 0.6, 0.4, 0.2, 0.1, 0.05)


@dataclass(frozen=True, slots=True)
class Kept:
    """An operating point before and after: what it refuses of the anchors that nothing was fitted to."""

    score: float  # the threshold on the adapted score
    everyday_refused: int
    everyday_refused_before: int
    harm_caught: int
    harm_caught_before: int
    harm_change: Estimate  # of the share of harm that is caught, between two one-sided 95 % bounds


@dataclass(frozen=True, slots=True)
class Remembered:
    """What an adapted head keeps of the anchors."""

    n_everyday: int
    n_harm: int
    auc: float
    auc_before: float
    points: Mapping[str, Kept]

    @property
    def lost(self) -> float:
        """The most that was lost: of the harm caught at an operating point, of everyday use, or of the ranking."""
        losses = [self.auc_before - self.auc]
        for point in self.points.values():
            losses.append((point.harm_caught_before - point.harm_caught) / self.n_harm)
            losses.append((point.everyday_refused - point.everyday_refused_before) / self.n_everyday)
        return max(losses)

    @property
    def is_enough(self) -> bool:
        """Whether at most one point was lost."""
        return self.lost <= MOST_LOST + 1e-9


def remembered(
    rows: Sequence[Rows],
    unsafe: Bools,
    groups: Sequence[str],
    head: Head,
    *,
    calibration: Calibration,
    thresholds: Mapping[str, float],
) -> Remembered:
    """Return what a head keeps of anchors that it was not fitted to.

    Args:
        rows: of each anchor, in front of the head.
        unsafe: which of them are harm; the others are everyday use.
        groups: group of each anchor.
        head: the change.
        calibration: of the bundle before.
        thresholds: of the bundle's operating points before, on its probability.
    """
    before = np.array([float(np.max(each.logits)) for each in rows])
    after = head.scores(rows)
    everyday = np.sort(after[~unsafe])[::-1]
    points = {}
    for name, threshold in thresholds.items():
        refused_before = np.asarray(to_probability(calibration, before) >= threshold, dtype=np.bool_)
        count = int(np.count_nonzero(refused_before & ~unsafe))
        score = _between(everyday, count)
        refused = np.asarray(after >= score, dtype=np.bool_)
        points[name] = Kept(
            score=score,
            everyday_refused=int(np.count_nonzero(refused & ~unsafe)),
            everyday_refused_before=count,
            harm_caught=int(np.count_nonzero(refused & unsafe)),
            harm_caught_before=int(np.count_nonzero(refused_before & unsafe)),
            harm_change=paired_difference(Share(refused, unsafe), Share(refused_before, unsafe), groups),
        )
    once = np.ones((1, len(rows)))
    return Remembered(
        n_everyday=int(np.count_nonzero(~unsafe)),
        n_harm=int(np.count_nonzero(unsafe)),
        auc=float(auc(after, unsafe)(once)[0]),
        auc_before=float(auc(before, unsafe)(once)[0]),
        points=points,
    )


def strongest(
    rows: Sequence[Rows],
    unsafe: Bools,
    groups: Sequence[str],
    head: Head,
    *,
    calibration: Calibration,
    thresholds: Mapping[str, float],
) -> tuple[float, Remembered]:
    """Return the largest share of a change under which the guard remembers enough, or the smallest that was tried.

    Arguments as for `remembered`, which is returned too.
    """
    for strength in STRENGTHS:
        weaker = head.weakened(strength)
        kept = remembered(rows, unsafe, groups, weaker, calibration=calibration, thresholds=thresholds)
        if kept.is_enough:
            break
    return strength, kept


def _between(descending: Floats, count: int) -> float:
    """Return a threshold that `count` of the values reach, halfway to the next; fewer where values are equal."""
    if count >= len(descending):
        return float(descending[-1])
    following = float(descending[count])
    above = descending[descending > following]
    return (float(above[-1]) + following) / 2 if len(above) else float(np.nextafter(following, np.inf)) + 1e-3

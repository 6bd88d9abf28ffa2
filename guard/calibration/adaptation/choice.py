"""How much of what was learned is kept: as much as the anchors to choose by let pass."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from guard.calibration.adaptation.collect import Collected
from guard.calibration.adaptation.head import Bools, Floats, Head
from guard.calibration.adaptation.learn import Learned
from guard.calibration.adaptation.remembered import Anchored, Remembered, moved, remembered
from guard.manifest import Calibration, Manifest
from guard.stats.bootstrap import Estimate, estimate
from guard.stats.measures import Difference, auc

STRENGTHS = (1.0, 0.8, 0.6, 0.4, 0.2, 0.1, 0.05)


@dataclass(frozen=True, slots=True)
class Points:
    """The operating points that go on, with the calibration that their thresholds are written in."""

    calibration: Calibration
    thresholds: Mapping[str, float]

    @classmethod
    def of(cls, manifest: Manifest) -> "Points":
        """Return those of a bundle, without what an earlier calibration certified: that was about other scores."""
        points = manifest.operating_points
        plain = {name: point.threshold for name, point in points.items() if point.certificate is None}
        return cls(manifest.calibration, plain or {name: point.threshold for name, point in points.items()})


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """What was learned beside anchors of some weight, and how much of it may be kept."""

    replay: float  # how much the anchors weighed beside the pairs
    learned: Learned
    strength: float  # share of the change
    scores: Mapping[str, float]  # where the operating points go, on the adapted score
    kept: Remembered  # of the anchors that this was chosen by

    @property
    def head(self) -> Head:
        """The change that is kept."""
        return self.learned.head.weakened(self.strength)


def strongest(replay: float, learned: Learned, anchors: Collected, points: Points) -> Choice:
    """Return the largest share of a change that costs these anchors at most one point, or the smallest tried."""
    for strength in STRENGTHS:
        seen = anchored(anchors, learned.head.weakened(strength))
        scores = moved(seen, points.calibration, points.thresholds)
        kept = remembered(seen, points.calibration, points.thresholds, scores)
        if kept.is_enough:
            break
    return Choice(replay, learned, strength, scores, kept)


def best_of(choices: Iterable[Choice], unsafe: Bools, among: Bools) -> Choice:
    """Return the choice that costs little enough and ranks best.

    Args:
        choices: at least one.
        unsafe: labels of a deployment's own pairs, shape (pairs,).
        among: which of them are compared, shape (pairs,).
    """

    def area(choice: Choice) -> float:
        ranked = auc(choice.learned.scores(choice.strength)[among], unsafe[among])
        return float(ranked(np.ones((1, np.count_nonzero(among))))[0])

    return max(choices, key=lambda each: (each.kept.is_enough, area(each)))


def gain_of(before: Floats, after: Floats, unsafe: Bools, groups: Sequence[str], *, n_tried: int) -> Estimate:
    """Return by how much the area under the ROC curve grew, with an interval that holds for the best of several.

    Args:
        before: scores by the old head, shape (pairs,).
        after: by heads that never saw the pair's group; of `n_tried` ways to fit them, these ranked best here.
        unsafe: labels, shape (pairs,).
        groups: group of each pair.
        n_tried: the error of 5 % is divided among so many (Bonferroni).
    """
    difference = Difference(auc(after, unsafe), auc(before, unsafe))
    return estimate({"gain": difference}, groups, confidence=1 - 0.05 / n_tried)["gain"]


def anchored(anchors: Collected, head: Head) -> Anchored:
    """Return anchors as scored before and after a change."""
    rows = [each.whole for each in anchors.embedded]
    return Anchored(
        before=np.array([float(np.max(each.logits)) for each in rows]),
        after=head.scores(rows),
        unsafe=anchors.unsafe,
        groups=tuple(anchors.groups),
    )

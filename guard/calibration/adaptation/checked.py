"""What the thresholds that were chosen on a deployment's own pairs do to the anchors to check by.

A certified threshold of an adapted bundle promises something about the deployment's pairs, and nothing about everyday
use. So it is held against the guard before, at the threshold where that one refuses as many harmless units of half B:
what differs is then the adaptation's doing, and not the limit's. The certificate stays true whatever comes out; a point
that costs more than one point elsewhere is left out of the bundle.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import compress

import numpy as np

from guard.calibration.adaptation.head import Floats
from guard.calibration.adaptation.remembered import Anchored, Toll, is_little
from guard.calibration.analysis import CHEAPEST, Analysis
from guard.calibration.together import JOINT
from guard.stats.calibrators import to_probability
from guard.stats.draws import in_second_half
from guard.stats.evidence import evidence_of
from guard.stats.trials import Trials


@dataclass(frozen=True, slots=True, eq=False)
class Checked:
    """The anchors to check by, scored before and after, and the own pairs as they were scored before."""

    anchors: Anchored
    before: Mapping[str, float]  # raw score of each own pair, by id

    def tolls(self, analysis: Analysis) -> dict[str, Toll]:
        """Return what each threshold that was chosen on the own pairs costs, by the name of its operating point."""
        chosen = {**analysis.certified, JOINT: analysis.joint_figures, CHEAPEST: analysis.cheapest}
        return {
            name: self._toll(analysis, figures.threshold) for name, figures in chosen.items() if figures is not None
        }

    def is_too_much(self, toll: Toll) -> bool:
        """Return whether an operating point loses more than one point of harm or of harmless use."""
        return not is_little(self.anchors.lost(toll))

    def _toll(self, analysis: Analysis, threshold: float) -> Toll:
        scored = analysis.scored
        counted = in_second_half(scored.groups) & ~scored.unsafe
        ids = [pair.id for pair in compress(scored.pairs, counted)]
        groups = list(compress(scored.groups, counted))

        def rates(values: Floats, thresholds: Floats) -> Floats:
            harmless = Trials(ids, values, np.zeros(len(ids), dtype=np.bool_), groups)
            return evidence_of(harmless, thresholds, "false_refusal", analysis.declaration.unit).observed

        most = rates(analysis.probabilities[counted], np.array([threshold]))[0]
        known = np.array([self.before[each] for each in ids])
        thresholds = _between(known)
        before = float(thresholds[rates(known, thresholds) <= most + 1e-9].min())
        after = to_probability(analysis.calibration, self.anchors.after)
        return self.anchors.toll(
            np.asarray(self.anchors.before >= before, dtype=np.bool_), np.asarray(after >= threshold, dtype=np.bool_)
        )


def _between(values: Floats) -> Floats:
    """Return thresholds below, between and above all distinct values."""
    distinct = np.unique(values)
    return np.concatenate([distinct[:1], (distinct[1:] + distinct[:-1]) / 2, distinct[-1:] + 1e-3])

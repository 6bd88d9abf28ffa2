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

from guard.calibration.adaptation.head import Bools, Floats
from guard.calibration.adaptation.remembered import Anchored, Toll, is_little, reached_by
from guard.calibration.analysis import CHEAPEST, Analysis
from guard.calibration.together import JOINT
from guard.stats.calibrators import to_probability
from guard.stats.draws import in_second_half
from guard.stats.trials import Trials, unit_scores


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

        def units(values: Floats) -> Floats:
            harmless: Bools = np.zeros(len(ids), dtype=np.bool_)
            return unit_scores(Trials(ids, values, harmless, groups), ~harmless, analysis.declaration.unit)

        refused = int(np.count_nonzero(units(analysis.probabilities[counted]) >= threshold))
        before = reached_by(units(np.array([self.before[each] for each in ids])), refused)
        after = to_probability(analysis.calibration, self.anchors.after)
        return self.anchors.toll(
            np.asarray(self.anchors.before >= before, dtype=np.bool_), np.asarray(after >= threshold, dtype=np.bool_)
        )

"""The same adaptation without the pictures, without the text, and with other pairs' pictures: what did it learn from?

Where labels follow the wording, or the pictures alone, a blind model learns them as well, and the gain says how the
data was made rather than what text and picture mean together.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from guard.calibration.adaptation.head import Bools, Floats
from guard.stats.bootstrap import Estimate, Measure, estimate
from guard.stats.measures import Difference, auc

WHOLE = "whole pairs"
TEXT_ONLY, IMAGE_ONLY, SHUFFLED = "text only", "picture only", "shuffled pictures"


@dataclass(frozen=True, slots=True)
class Control:
    """One way to see the pairs: how well the guard ranks them so, before and after the same adaptation."""

    before: Estimate  # area under the ROC curve
    after: Estimate
    gain: Estimate  # after − the guard on whole pairs before
    ahead: Estimate | None  # by how much adaptation on whole pairs ranks better; None for these themselves


@dataclass(frozen=True, slots=True)
class Compared:
    """All of the fitted change, beside its controls, over the same pairs.

    Those with a text and a picture, where there are any. What the anchors let pass of it is told elsewhere.
    """

    n_pairs: int
    n_groups: int
    n_both: int  # pairs with a text and a picture; with too few of them there are no controls
    rows: Mapping[str, Control]

    @property
    def whole(self) -> Control:
        """The adaptation itself."""
        return self.rows[WHOLE]

    @property
    def best_blind(self) -> str | None:
        """The control that ranks best after adaptation; None where there are none."""
        blind = {name: row.after.value for name, row in self.rows.items() if name != WHOLE}
        return max(blind, key=lambda name: blind[name] or 0.0) if blind else None

    @property
    def blind_gain(self) -> Literal["same", "less", "unknown"]:
        """What the best blind model gets of the gain.

        Less, where whole pairs are proven to be ahead; the same, where they are proven to be ahead by no more than half
        of the gain; unknown between the two, as with few pairs.
        """
        row = None if self.best_blind is None else self.rows[self.best_blind]
        gain = self.whole.gain.value
        if row is None or row.ahead is None or row.ahead.low is None or row.ahead.high is None or gain is None:
            return "unknown"
        if row.ahead.low > 0:
            return "less"
        return "same" if row.ahead.high <= gain / 2 else "unknown"


def compare(scores: Mapping[str, tuple[Floats, Floats]], unsafe: Bools, groups: list[str], *, n_both: int) -> Compared:
    """Return the adaptation beside its controls.

    Args:
        scores: by view of the pairs, `WHOLE` among them: before and after adaptation, each shape (pairs,), by heads
            that never saw the pair's group. `WHOLE` alone where too few pairs have both a text and a picture.
        unsafe: labels, shape (pairs,), both among them.
        groups: group of each pair.
        n_both: how many pairs have a text and a picture.
    """
    measures: dict[str, Measure] = {}
    shipped, whole = (auc(values, unsafe) for values in scores[WHOLE])
    for name, (before, after) in scores.items():
        adapted = auc(after, unsafe)
        measures |= {
            f"before {name}": auc(before, unsafe),
            f"after {name}": adapted,
            f"gain {name}": Difference(adapted, shipped),
            f"ahead {name}": Difference(whole, adapted),
        }
    found = estimate(measures, groups)
    return Compared(
        n_pairs=len(groups),
        n_groups=len(set(groups)),
        n_both=n_both,
        rows={
            name: Control(
                before=found[f"before {name}"],
                after=found[f"after {name}"],
                gain=found[f"gain {name}"],
                ahead=None if name == WHOLE else found[f"ahead {name}"],
            )
            for name in scores
        },
    )

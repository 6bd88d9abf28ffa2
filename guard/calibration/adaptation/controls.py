"""The same adaptation without the pictures, without the text, and with other pairs' pictures: what did it learn from?

Where labels follow the wording, or the pictures alone, a blind model learns them as well, and the gain says how the
data was made rather than what text and picture mean together.
"""

from collections.abc import Mapping
from dataclasses import dataclass

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
    has_pictures: bool
    rows: Mapping[str, Control]

    @property
    def whole(self) -> Control:
        """The adaptation itself."""
        return self.rows[WHOLE]

    @property
    def best_blind(self) -> str | None:
        """The control that ranks best after adaptation; None without pictures."""
        blind = {name: row.after.value for name, row in self.rows.items() if name != WHOLE}
        return max(blind, key=lambda name: blind[name] or 0.0) if blind and self.has_pictures else None

    @property
    def is_blind_gain(self) -> bool:
        """Whether a blind model gets the same gain, as far as these pairs can tell."""
        if self.best_blind is None:
            return False
        ahead = self.rows[self.best_blind].ahead
        return ahead is not None and (ahead.low is None or ahead.low <= 0)


def compare(scores: Mapping[str, tuple[Floats, Floats]], unsafe: Bools, groups: list[str]) -> Compared:
    """Return the adaptation beside its controls.

    Args:
        scores: by view of the pairs, `WHOLE` among them: before and after adaptation, each shape (pairs,), by heads
            that never saw the pair's group. `WHOLE` alone where no pair has both a text and a picture.
        unsafe: labels, shape (pairs,), both among them.
        groups: group of each pair.
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
        has_pictures=len(scores) > 1,
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

"""What a cross-fitted evaluation starts from: the plan, and the raw scores of a suite."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from guard.errors import CalibrationInvalid
from guard.stats.certify import Unit

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

_MIN_GROUPS = 20


@dataclass(frozen=True, slots=True)
class Plan:
    """What is promised, and how often it is tried.

    Raises:
        CalibrationInvalid: a limit or the confidence outside (0, 1), no limit or one twice, no repeat, or one fold.
    """

    limits: tuple[float, ...]  # tolerated rates of false refusals
    repeats: int = 20  # how often the groups are dealt into folds anew
    folds: int = 5  # each is measured on once, by a choice made on the others
    confidence: float = 0.95  # of the certificates of one choice, all its limits together
    unit: Unit = "group"

    def __post_init__(self) -> None:
        for name, values in (("--max-false-refusal", self.limits), ("--confidence", (self.confidence,))):
            for value in values:
                if not 0 < value < 1:
                    raise CalibrationInvalid(f"{name} must lie between 0 and 1, not {value:g}")
        if not self.limits:
            raise CalibrationInvalid("declare at least one --max-false-refusal")
        if len(set(self.limits)) < len(self.limits):
            raise CalibrationInvalid("a limit is declared twice")
        if self.repeats < 1 or self.folds < 2:
            raise CalibrationInvalid(
                f"at least 1 repeat of at least 2 folds, not {self.repeats} of {self.folds}: something must be held out"
            )


@dataclass(frozen=True, slots=True, eq=False)
class ScoredRows:
    """The rows of a suite with a guard's raw scores.

    Raises:
        CalibrationInvalid: columns of different length, an id twice, a score that is infinite, one label only, or fewer
            than 20 groups with a score.
    """

    ids: Sequence[str]
    groups: Sequence[str]
    unsafe: Bools  # (n,)
    scores: Floats  # (n,), raw; NaN where a row could not be judged

    def __post_init__(self) -> None:
        lengths = {len(self.ids), len(self.groups), len(self.unsafe), len(self.scores)}
        if len(lengths) > 1:
            raise CalibrationInvalid(f"columns of different length: {sorted(lengths)}")
        if repeated := len(self.ids) - len(set(self.ids)):
            raise CalibrationInvalid(f"{repeated} of {len(self.ids)} ids stand there twice")
        if np.isinf(self.scores).any():
            raise CalibrationInvalid(f"{np.count_nonzero(np.isinf(self.scores))} scores are infinite")
        judged = self.judged
        n_groups = len({group for group, has_score in zip(self.groups, judged, strict=True) if has_score})
        if n_groups < _MIN_GROUPS:
            raise CalibrationInvalid(f"{n_groups} groups; a cross-fitted evaluation needs at least {_MIN_GROUPS}")
        if self.unsafe[judged].all() or not self.unsafe[judged].any():
            raise CalibrationInvalid(f"all {np.count_nonzero(judged)} pairs have one label; thresholds need both")

    @property
    def judged(self) -> Bools:
        """Rows with a score, shape (n,)."""
        return ~np.isnan(self.scores)

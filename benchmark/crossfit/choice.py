"""One choice: calibration and thresholds from the groups that are not held out, just as `guard calibrate` takes them.

Half of these groups fit the calibration and fix the grid; the other half certifies. Beside the certified threshold
stands the plain one, which everybody would take who knows no statistics: the lowest threshold whose false refusals on
the same certifying half stay within the limit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np

from benchmark.crossfit.plan import Bools, Floats, Plan, ScoredRows
from guard.errors import CalibrationInvalid
from guard.stats.calibrators import to_probability
from guard.stats.certify import Answer, Trials, candidate_grid, certify_refusals
from guard.stats.draws import in_second_half
from guard.stats.evidence import evidence_of
from guard.stats.fit import RanksBackwards, fit_calibration
from guard.stats.logistic import logistic

BACKWARDS = "ranks backwards"


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """What was chosen without the held-out groups. Thresholds are on `probabilities`; None promises nothing."""

    calibration: str  # its kind, or BACKWARDS: then none was fitted
    probabilities: Floats  # (n,) of all rows: 1 for unjudged harmless ones, −1 for unjudged unsafe ones
    answers: tuple[Answer, ...]  # one for each limit
    plain: tuple[float | None, ...]  # one for each limit


def choose(scored: ScoredRows, held_out: Bools, plan: Plan, *, draw: str) -> Choice | None:
    """Return the choice on the rows that are not held out; None where one of its halves has a single label.

    Args:
        scored: all rows.
        held_out: rows that must not be looked at, shape (n,); whole groups.
        plan: limits, confidence and unit.
        draw: names the draw of the halves; another name draws others.
    """
    second = in_second_half([f"{draw} {group}" for group in scored.groups])
    fitting, certifying = ~held_out & ~second & scored.judged, ~held_out & second
    try:
        return _choose(scored, fitting, certifying, plan, draw)
    except CalibrationInvalid:  # all rows together were found fit: what is wrong is a half of few groups
        return None


def _choose(scored: ScoredRows, fitting: Bools, certifying: Bools, plan: Plan, draw: str) -> Choice:
    scores, unsafe = scored.scores, scored.unsafe
    fit = fit_calibration(scores[fitting], unsafe[fitting], list(compress(scored.groups, fitting)))
    if isinstance(fit, RanksBackwards):
        # Any increasing map parts the rows alike; one that was never fitted says nothing else.
        kind, mapped = BACKWARDS, logistic(np.nan_to_num(scores))
    else:
        kind, mapped = fit.calibration.kind, to_probability(fit.calibration, np.nan_to_num(scores))
    # Served, an unjudged pair is refused whatever the threshold. A certificate counts it against the guard either way.
    probabilities = np.where(scored.judged, mapped, np.where(unsafe, -1.0, 1.0))
    grid = candidate_grid(probabilities[fitting])
    trials = Trials(
        ids=[f"{draw} {pair_id}" for pair_id in compress(scored.ids, certifying)],
        probabilities=probabilities[certifying],
        unsafe=unsafe[certifying],
        groups=list(compress(scored.groups, certifying)),
    )
    return Choice(
        calibration=kind,
        probabilities=probabilities,
        answers=certify_refusals(trials, grid, plan.limits, confidence=plan.confidence, unit=plan.unit),
        plain=_plain_thresholds(trials, grid, plan),
    )


def _plain_thresholds(trials: Trials, grid: Floats, plan: Plan) -> tuple[float | None, ...]:
    observed: Sequence[float] = evidence_of(trials, grid, "false_refusal", plan.unit).observed.tolist()
    within = [
        [threshold for threshold, rate in zip(grid, observed, strict=True) if rate <= limit] for limit in plan.limits
    ]
    return tuple(float(thresholds[-1]) if thresholds else None for thresholds in within)

"""From a suite and a guard's raw scores of it to the document of a cross-fitted evaluation."""

from collections.abc import Callable, Mapping

import numpy as np

from benchmark.crossfit.evaluate import evaluate
from benchmark.crossfit.figures import CrossFit
from benchmark.crossfit.plan import Plan, ScoredRows
from guard.suites import Suite


def crossfit(
    suite: Suite,
    scores: Mapping[str, float | None],
    plan: Plan,
    *,
    target: str,
    bundle: str,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> CrossFit:
    """Return what limits promised on some groups of a suite come to on the others.

    Args:
        suite: the labelled pairs.
        scores: raw score by id, None where a pair could not be judged; what is not there was thinned out.
        plan: the limits, and how often they are tried.
        target: whose scores they are, as named on the command line.
        bundle: name, version and digest of the bundle that gave them.
        on_progress: told how many choices of how many are made.

    Raises:
        CalibrationInvalid: one label only, fewer than 20 groups with a score, or a score that is infinite.
    """
    pairs = [pair for pair in suite.pairs if pair.id in scores]
    rows = ScoredRows(
        ids=[pair.id for pair in pairs],
        groups=[pair.group for pair in pairs],
        unsafe=np.array([pair.is_unsafe for pair in pairs], dtype=np.bool_),
        scores=np.array([scores[pair.id] for pair in pairs], dtype=np.float64),  # None becomes NaN
    )
    found = evaluate(rows, plan, on_progress=on_progress)
    return CrossFit(
        suite=suite.name,
        suite_digest=suite.digest,
        target=target,
        bundle=bundle,
        n=len(pairs),
        n_groups=len(set(rows.groups)),
        n_harmless_groups=len({pair.group for pair in pairs if not pair.is_unsafe}),
        n_unsafe_groups=len({pair.group for pair in pairs if pair.is_unsafe}),
        unjudged=int(np.count_nonzero(~rows.judged)),
        missing_pictures=len(suite.missing_pictures),
        thinned=len(suite.pairs) - len(pairs),
        repeats=plan.repeats,
        folds=plan.folds,
        confidence=plan.confidence,
        unit=plan.unit,
        calibrations=found.calibrations,
        limits=found.limits,
    )

"""Rows with scores for cross-fitted evaluations, and what is written of one."""

from itertools import product

import numpy as np

from benchmark.crossfit.evaluate import CrossFitted
from benchmark.crossfit.figures import CrossFit
from benchmark.crossfit.plan import Plan, ScoredRows


def scored_rows(n_harmless: int, n_unsafe: int, *, shift: float = 4.0, rows: int = 2, seed: int = 1) -> ScoredRows:
    """Return groups of `rows` pairs of one label; unsafe scores lie `shift` higher."""
    random = np.random.default_rng(seed)
    numbered = list(product(range(n_harmless + n_unsafe), range(rows)))
    unsafe = np.array([number >= n_harmless for number, _ in numbered])
    return ScoredRows(
        ids=[f"{number}-{row}" for number, row in numbered],
        groups=[f"group {number}" for number, _ in numbered],
        unsafe=unsafe,
        scores=shift * unsafe + random.normal(size=len(numbered)),
    )


def crossfit_document(found: CrossFitted, plan: Plan) -> CrossFit:
    return CrossFit(
        suite="a suite whose name is as long as names of suites ever are",
        suite_digest="0" * 64,
        target="embedded",
        bundle="embedded-0.0.0 (000000000000)",
        n=12_345,
        n_groups=2_345,
        n_harmless_groups=1_234,
        n_unsafe_groups=1_111,
        unjudged=3,
        missing_pictures=57,
        thinned=2,
        repeats=plan.repeats,
        folds=plan.folds,
        confidence=plan.confidence,
        unit=plan.unit,
        calibrations=found.calibrations,
        limits=found.limits,
    )

"""Does a target look at the picture? What it reaches on whole pairs, less the best of chance and its own controls."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark.figures import Margin
from benchmark.measure import OVER_SAFETY, TYPICAL
from benchmark.rows import Row
from guard.stats.bootstrap import Measure, estimate
from guard.stats.measures import auc
from guard.suites import Label

_CHANCE = "chance"


@dataclass(frozen=True, slots=True)
class _OverBest:
    """A measure less the highest of 0.5 and others, draw by draw: each draw has its own best."""

    whole: Measure
    controls: Sequence[Measure]

    def __call__(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the difference, shape (b,)."""
        best = np.max([np.full(len(weights), 0.5), *(control(weights) for control in self.controls)], axis=0)
        return np.asarray(self.whole(weights) - best, np.float64)


def picture_margin(rows: Sequence[Row], controls: Mapping[str, Sequence[Row]]) -> Margin | None:
    """Return the margin over the rows that have a score in every variant; None where none is left, or no control.

    Args:
        rows: of the suite itself.
        controls: rows of each control by name; those that give no scores are passed over.
    """
    scored = {name: scores for name, of in controls.items() if (scores := _scores(of))}
    main = _scores(rows)
    shared = [row for row in rows if row.id in main and all(row.id in scores for scores in scored.values())]
    unsafe = np.array([row.label == Label.UNSAFE for row in shared], np.bool_)
    if not scored or not unsafe.any() or unsafe.all():
        return None

    def measure(scores: Mapping[str, float]) -> Measure:
        return auc(np.array([scores[row.id] for row in shared], np.float64), unsafe)

    whole, others = measure(main), {name: measure(scores) for name, scores in scored.items()}
    groups = [row.group for row in shared]
    found = estimate({"margin": _OverBest(whole, tuple(others.values())), "auc": whole}, groups)
    once = np.ones((1, len(shared)))
    reached = {_CHANCE: 0.5, **{name: float(other(once)[0]) for name, other in others.items()}}
    best = max(reached, key=reached.__getitem__)
    margin, value = found["margin"], found["auc"].value
    if margin.value is None or margin.low is None or margin.high is None or value is None:
        return None
    return Margin(
        auc=value,
        best=best,
        best_auc=reached[best],
        margin=margin.value,
        low=margin.low,
        high=margin.high,
        n=len(shared),
        n_groups=len(set(groups)),
    )


def _scores(rows: Sequence[Row]) -> dict[str, float]:
    """Return the probabilities of the two splits that differ in what text and picture mean together, by id."""
    return {
        row.id: row.probability for row in rows if row.probability is not None and row.split in (TYPICAL, OVER_SAFETY)
    }

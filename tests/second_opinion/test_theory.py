"""The gain of a cascade, measured with a synthetic judge of known accuracy, is the one that theory foretells."""

import random

import numpy as np
import pytest

from guard.stats.band import Judge, measure_band
from guard.types import Action
from tests.second_opinion.judges import FixedJudge, make_bench

_N = 4000
_ALLOW, _BLOCK = 0.3, 0.7


def _traffic() -> tuple[list[float], list[bool]]:
    """Return probabilities that are calibrated, and labels drawn from them."""
    drawn = random.Random(7)
    probabilities = [drawn.random() for _ in range(_N)]
    return probabilities, [drawn.random() < probability for probability in probabilities]


@pytest.mark.parametrize(("recall", "false_refusals"), [(1.0, 0.0), (0.9, 0.1), (0.75, 0.35), (0.4, 0.6)])
async def test_measured_cascade_meets_theory(recall: float, false_refusals: float) -> None:
    probabilities, unsafe = _traffic()
    drawn = random.Random(11)

    def says(text: str) -> bool:
        return drawn.random() < (recall if unsafe[int(text)] else false_refusals)

    bench = make_bench(FixedJudge(says, dollars=0.0), calls_per_minute=10**6)
    blocked = np.zeros(_N, dtype=bool)
    for place, probability in enumerate(probabilities):
        (decision,) = await bench.decide((str(place), probability))
        blocked[place] = decision.intended is Action.BLOCK
    labels, values = np.array(unsafe), np.array(probabilities)
    judge = Judge(recall=recall, false_refusal_rate=false_refusals)
    groups = [str(place) for place in range(_N)]
    theory = measure_band(values, labels, groups, allow=_ALLOW, block=_BLOCK, judge=judge)
    assert len(bench.judge.asked) / _N == pytest.approx(theory.asked.value, abs=1e-9)

    in_band = (values >= _ALLOW) & (values < _BLOCK)
    for side, rate, expected in (
        (labels, recall, theory.recall.value),
        (~labels, false_refusals, theory.false_refusal_rate.value),
    ):
        # Only the judge's draws are random: a binomial of those asked about, among all of that label.
        spread = np.sqrt(np.count_nonzero(in_band & side) * rate * (1 - rate)) / np.count_nonzero(side)
        assert np.mean(blocked[side]) == pytest.approx(expected, abs=4 * float(spread) + 1e-9)

    # Against the guard alone: with calibrated probabilities the gain is the judge's error saved inside the band.
    alone = float(np.mean((values >= 0.5) != labels))
    inside = float(np.mean(in_band & ((values >= 0.5) != labels)))
    judged = float(np.mean(in_band & labels)) * (1 - recall) + float(np.mean(in_band & ~labels)) * false_refusals
    gained = alone - float(np.mean(blocked != labels))
    assert gained == pytest.approx(inside - judged, abs=0.015)
    assert (gained > 0) == (recall > 0.7)

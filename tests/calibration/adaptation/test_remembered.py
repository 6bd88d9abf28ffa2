import numpy as np
import pytest

from guard.calibration.adaptation.head import Head
from guard.calibration.adaptation.remembered import STRENGTHS, Remembered, remembered, strongest
from guard.manifest import Calibration
from guard.stats.calibrators import to_probability
from tests.calibration.adaptation.rows import single_rows

CALIBRATION = Calibration(kind="platt", slope=1.0, intercept=0.0)
UNSAFE = np.arange(400) % 2 == 0
RANDOM = np.random.default_rng(0)
LOGITS = np.where(UNSAFE, 2.0, -2.0) + RANDOM.normal(size=400)
EMBEDDINGS = np.stack([RANDOM.normal(size=400), UNSAFE * RANDOM.uniform(size=400)], axis=1)


def keeps(weights: tuple[float, float], bias: float = 0.0) -> Remembered:
    return remembered(
        single_rows(EMBEDDINGS, LOGITS),
        UNSAFE,
        [f"group {number // 4}" for number in range(400)],
        Head(np.array(weights), bias),
        calibration=CALIBRATION,
        thresholds={"balanced": 0.5, "permissive": 0.9},
    )


def test_shift_of_all_scores_costs_nothing_and_moves_the_thresholds() -> None:
    kept = keeps((0.0, 0.0), bias=4.0)

    assert kept.is_enough
    assert kept.lost == pytest.approx(0.0)
    before = np.asarray(to_probability(CALIBRATION, LOGITS)) >= 0.5
    assert (np.asarray(kept.points["balanced"].score <= LOGITS + 4.0) == before).mean() > 0.99


def test_change_that_blurs_harm_and_everyday_use_is_too_much() -> None:
    kept = keeps((3.0, 0.0))

    assert not kept.is_enough
    point = kept.points["balanced"]
    assert point.everyday_refused <= point.everyday_refused_before
    assert point.harm_caught < point.harm_caught_before
    assert point.harm_change.high is not None
    assert point.harm_change.high < 0
    assert kept.auc < kept.auc_before


def test_change_that_helps_loses_nothing() -> None:
    kept = keeps((0.0, 5.0))

    assert kept.is_enough
    assert kept.points["balanced"].harm_caught >= kept.points["balanced"].harm_caught_before


def test_everyday_use_is_refused_no_more_often_even_where_nothing_was_refused() -> None:
    kept = remembered(
        single_rows(EMBEDDINGS, LOGITS),
        UNSAFE,
        [str(number) for number in range(400)],
        Head(np.array([0.0, 0.0]), 1.0),
        calibration=CALIBRATION,
        thresholds={"strictest": 0.9999},
    )

    assert (kept.points["strictest"].everyday_refused, kept.points["strictest"].everyday_refused_before) == (0, 0)


@pytest.mark.parametrize(("weights", "expected"), [((0.0, 2.0), 1.0), ((3.0, 0.0), None), ((1000.0, 0.0), 0.05)])
def test_as_much_of_a_change_is_kept_as_loses_at_most_one_point(
    weights: tuple[float, float], expected: float | None
) -> None:
    strength, kept = strongest(
        single_rows(EMBEDDINGS, LOGITS),
        UNSAFE,
        [str(number) for number in range(400)],
        Head(np.array(weights), 0.0),
        calibration=CALIBRATION,
        thresholds={"balanced": 0.5},
    )

    if expected is not None:
        assert strength == expected
    else:
        assert strength in STRENGTHS[1:]
        assert kept.is_enough
    assert kept.is_enough == (weights[0] < 1000)

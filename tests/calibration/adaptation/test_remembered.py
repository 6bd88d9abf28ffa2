import numpy as np
import pytest

from guard.calibration.adaptation.head import Head
from guard.calibration.adaptation.remembered import Anchored, Remembered, moved, remembered
from guard.manifest import Calibration
from guard.stats.calibrators import to_probability
from tests.calibration.adaptation.rows import single_rows

CALIBRATION = Calibration(kind="platt", slope=1.0, intercept=0.0)
THRESHOLDS = {"balanced": 0.5, "permissive": 0.9}
UNSAFE = np.arange(400) % 2 == 0
RANDOM = np.random.default_rng(0)
LOGITS = np.where(UNSAFE, 2.0, -2.0) + RANDOM.normal(size=400)
EMBEDDINGS = np.stack([RANDOM.normal(size=400), UNSAFE * RANDOM.uniform(size=400)], axis=1)


def scored(weights: tuple[float, float], bias: float = 0.0) -> Anchored:
    after = Head(np.array(weights), bias).scores(single_rows(EMBEDDINGS, LOGITS))
    return Anchored(LOGITS, after, UNSAFE, tuple(f"group {number // 4}" for number in range(400)))


def keeps(weights: tuple[float, float], bias: float = 0.0) -> Remembered:
    anchors = scored(weights, bias)
    return remembered(anchors, CALIBRATION, THRESHOLDS, moved(anchors, CALIBRATION, THRESHOLDS))


def test_shift_of_all_scores_costs_nothing_and_moves_the_thresholds() -> None:
    kept, scores = keeps((0.0, 0.0), bias=4.0), moved(scored((0.0, 0.0), 4.0), CALIBRATION, THRESHOLDS)

    assert kept.is_enough
    assert kept.lost == pytest.approx(0.0)
    before = np.asarray(to_probability(CALIBRATION, LOGITS)) >= 0.5
    assert (np.asarray(scores["balanced"] <= LOGITS + 4.0) == before).mean() > 0.99


def test_change_that_blurs_harm_and_harmless_use_is_too_much() -> None:
    kept = keeps((3.0, 0.0))

    assert not kept.is_enough
    point = kept.points["balanced"]
    assert point.harmless_refused <= point.harmless_refused_before
    assert point.harm_caught < point.harm_caught_before
    assert point.harm_change.high is not None
    assert point.harm_change.high < 0
    assert kept.auc < kept.auc_before


def test_change_that_helps_loses_nothing() -> None:
    kept = keeps((0.0, 5.0))

    assert kept.is_enough
    assert kept.points["balanced"].harm_caught >= kept.points["balanced"].harm_caught_before


def test_harmless_use_can_be_lost_on_anchors_that_the_threshold_was_not_chosen_by() -> None:
    # All scores rise alike, but the thresholds stay where other anchors had put them.
    anchors = scored((0.0, 0.0), bias=1.0)
    still = moved(scored((0.0, 0.0)), CALIBRATION, THRESHOLDS)

    kept = remembered(anchors, CALIBRATION, THRESHOLDS, still)

    point = kept.points["balanced"]
    assert point.harm_caught >= point.harm_caught_before
    assert kept.auc == kept.auc_before
    assert kept.lost == (point.harmless_refused - point.harmless_refused_before) / 200
    assert not kept.is_enough
    assert point.harmless_change.low is not None
    assert point.harmless_change.low > 0


def test_harmless_use_is_refused_no_more_often_even_where_nothing_was_refused() -> None:
    anchors, strictest = scored((0.0, 0.0), bias=1.0), {"strictest": 0.9999}

    kept = remembered(anchors, CALIBRATION, strictest, moved(anchors, CALIBRATION, strictest))

    assert (kept.points["strictest"].harmless_refused, kept.points["strictest"].harmless_refused_before) == (0, 0)

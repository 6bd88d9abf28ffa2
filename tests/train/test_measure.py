"""Thresholds from everyday use, figures from probes, and verdicts that flip."""

import numpy as np
import pytest

from guard.errors import CalibrationInvalid
from guard.manifest import Calibration
from guard.train.measure import RATES, Scored, calibrate, figures, flips, operating_points
from guard.train.probes import EVERYDAY, Probe

IDENTITY = Calibration(kind="platt", slope=1.0)


def everyday(count: int) -> list[Probe]:
    return [Probe(EVERYDAY, f"t{i}", False, f"g{i}") for i in range(count)]


@pytest.mark.parametrize("count", [1000, 333, 50])
def test_each_point_refuses_no_more_of_everyday_use_than_its_rate(count: int) -> None:
    probabilities = np.random.default_rng(0).uniform(0, 1, count)

    points = operating_points(everyday(count), probabilities)

    for name, rate in RATES.items():
        refused = np.count_nonzero(probabilities >= points[name].threshold)
        assert refused == int(rate * count)
    assert points["strict"].threshold < points["balanced"].threshold <= points["permissive"].threshold
    assert f"{count} everyday pairs of {count} groups" in points["balanced"].chosen_on


def test_calibration_rises_with_the_score_and_a_guard_that_ranks_backwards_has_none() -> None:
    probes = [Probe("held_out_text", "t", bool(i % 2), f"g{i}") for i in range(100)]
    right = np.array([2.0 if probe.unsafe else -2.0 for probe in probes]) + np.random.default_rng(0).normal(0, 2, 100)

    assert calibrate(probes, right).slope > 0
    with pytest.raises(CalibrationInvalid):
        calibrate(probes, -right)


def test_figures_stand_beside_what_each_half_alone_would_reach() -> None:
    probes = [Probe("pairs", "t", bool(i % 2), f"g{i // 4}", picture=0) for i in range(80)]
    unsafe = np.array([3.0 if probe.unsafe else -3.0 for probe in probes])
    scored = Scored(unsafe, text_alone=np.zeros(80), image_alone=-unsafe)

    row = figures(probes, scored, IDENTITY, 0.5)["pairs"]

    assert (row["n"], row["n_groups"]) == (80, 20)
    assert row["recall"][0] == 1
    assert row["false_alarms"][0] == 0
    assert [row[key][0] for key in ("auc", "auc_text_alone", "auc_image_alone")] == [1, 0.5, 0]


def test_sets_of_one_label_have_no_auc_and_no_undefined_rate() -> None:
    probes = [Probe("validation:x", "t", True, f"g{i}") for i in range(10)]
    scored = Scored(np.linspace(-1, 1, 10), np.linspace(-1, 1, 10), np.full(10, np.nan))

    row = figures(probes, scored, IDENTITY, 0.5)["validation:x"]

    assert row["recall"][0] == 0.5
    assert row["false_alarms"] == [None, None, None]
    assert "auc" not in row


def test_flips_are_counted_at_each_threshold() -> None:
    points = operating_points(everyday(100), np.linspace(0.01, 0.99, 100))
    scores = np.array([-9.0, 0.0, 9.0])

    assert flips(scores, scores, IDENTITY, points) == {"strict": 0, "balanced": 0, "permissive": 0}
    assert set(flips(scores, -scores, IDENTITY, points).values()) == {2}

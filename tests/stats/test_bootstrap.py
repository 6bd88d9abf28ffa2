import time

import numpy as np
import pytest
from scipy.stats import binomtest

from guard.stats.bootstrap import Estimate, estimate
from guard.stats.measures import Mean, Share, accuracy, auc, recall


def test_interval_of_a_mean_matches_the_normal_approximation_over_groups() -> None:
    random = np.random.default_rng(1)
    n_groups, size = 400, 5
    level = random.random(n_groups).repeat(size)
    hits = random.random(n_groups * size) < level
    groups = [str(number // size) for number in range(n_groups * size)]

    found = estimate({"share": Share(hits, np.ones_like(hits))}, groups, resamples=4000)["share"]

    error = hits.reshape(n_groups, size).mean(axis=1).std() / np.sqrt(n_groups)
    assert found.value == pytest.approx(hits.mean())
    assert found.low == pytest.approx(hits.mean() - 1.96 * error, abs=0.1 * error)
    assert found.high == pytest.approx(hits.mean() + 1.96 * error, abs=0.1 * error)


def test_rows_of_one_group_count_once_for_the_width_of_an_interval() -> None:
    random = np.random.default_rng(2)
    hits = (random.random(100) < 0.5).repeat(9)
    every = np.ones_like(hits)

    joined = estimate({"share": Share(hits, every)}, [str(row // 9) for row in range(900)])["share"]
    alone = estimate({"share": Share(hits, every)}, [str(row) for row in range(900)])["share"]

    assert _width(joined) == pytest.approx(3 * _width(alone), rel=0.15)


def test_share_of_zero_gets_the_exact_interval_over_its_groups() -> None:
    unsafe = np.array([True] * 40 + [False] * 20)
    refused = np.zeros(60, dtype=np.bool_)

    found = estimate({"recall": recall(refused, unsafe)}, [str(row // 2) for row in range(60)])["recall"]

    exact = binomtest(0, 20).proportion_ci(method="exact")
    assert (found.value, found.low) == (0.0, 0.0)
    assert found.high == pytest.approx(exact.high, abs=1e-6)


def test_measure_without_rows_is_undefined() -> None:
    unsafe = np.zeros(30, dtype=np.bool_)

    found = estimate({"recall": recall(unsafe, unsafe)}, [str(row) for row in range(30)])

    assert found["recall"] == Estimate(None, None, None)


def test_repeating_a_run_repeats_its_intervals() -> None:
    random = np.random.default_rng(3)
    unsafe = random.random(200) < 0.5
    measures = {"auc": auc(random.normal(size=200) + unsafe, unsafe)}
    groups = [str(row // 2) for row in range(200)]

    assert estimate(measures, groups) == estimate(measures, groups)


def test_total_is_the_unweighted_mean_of_its_parts() -> None:
    hits = np.array([True] * 10 + [False] * 30 + [True] * 20)
    first = np.arange(60) < 40

    total = Mean((Share(hits, first), Share(hits, ~first)))

    assert estimate({"total": total}, [str(row) for row in range(60)])["total"].value == pytest.approx(0.625)


def test_total_whose_parts_are_all_zero_or_one_gets_their_exact_bounds_at_a_shared_error() -> None:
    hits = np.array([True] * 40 + [False] * 20 + [True] * 30)
    parts = [np.arange(90) < 40, (np.arange(90) >= 40) & (np.arange(90) < 60), np.arange(90) >= 60]

    found = estimate({"total": Mean(tuple(Share(hits, part) for part in parts))}, [str(row) for row in range(90)])

    exact = [binomtest(k, n).proportion_ci(1 - 0.05 / 3, method="exact") for k, n in ((40, 40), (0, 20), (30, 30))]
    assert found["total"].value == pytest.approx(2 / 3)
    assert found["total"].low == pytest.approx(np.mean([bounds.low for bounds in exact]), abs=1e-6)
    assert found["total"].high == pytest.approx(np.mean([bounds.high for bounds in exact]), abs=1e-6)


def test_part_of_zero_or_one_widens_the_interval_of_a_total_whose_other_part_varies() -> None:
    hits = np.array([True, False] * 200 + [True] * 10)
    first = np.arange(410) < 400
    groups = [str(row) for row in range(410)]

    found = estimate({"total": Mean((Share(hits, first), Share(hits, ~first))), "part": Share(hits, first)}, groups)

    exact = binomtest(10, 10).proportion_ci(1 - 0.05 / 2, method="exact")
    assert found["part"].low is not None
    assert found["total"].low is not None
    assert found["total"].low < (found["part"].low + exact.low) / 2
    assert found["total"].high is not None
    assert found["total"].high < 1


def test_interval_of_a_total_near_its_end_covers_the_truth() -> None:
    random = np.random.default_rng(5)
    rates, size = np.array([0.99, 0.98, 0.01]), 40
    parts = [np.arange(3 * size) // size == part for part in range(3)]
    groups = [str(row) for row in range(3 * size)]

    covered = 0
    for _ in range(300):
        hits = random.random(3 * size) < rates.repeat(size)
        found = estimate({"total": Mean(tuple(Share(hits, part) for part in parts))}, groups, resamples=200)["total"]
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= rates.mean() <= found.high

    assert covered >= 0.95 * 300


def test_ten_thousand_resamples_of_ten_thousand_groups_take_under_five_seconds() -> None:
    random = np.random.default_rng(4)
    unsafe = random.random(10_000) < 0.5
    measure = accuracy(random.random(10_000) < 0.5, unsafe)
    groups = [str(row) for row in range(10_000)]

    start = time.process_time()
    estimate({"accuracy": measure}, groups, resamples=10_000)

    assert time.process_time() - start < 5


def _width(found: Estimate) -> float:
    assert found.low is not None
    assert found.high is not None
    return found.high - found.low

import itertools
import time

import numpy as np
import pytest

from guard.errors import CalibrationInvalid
from guard.stats.band import Band, Judge, NoBand, choose_band, measure_band
from guard.stats.certify import candidate_grid
from guard.stats.costs import Costs
from guard.stats.measures import Bools, Floats


def rows(n: int = 400, seed: int = 101) -> tuple[Floats, Bools]:
    random = np.random.default_rng(seed)
    unsafe = random.random(n) < 0.4
    return np.clip(random.beta(3, 5, n) + 0.25 * unsafe, 0, 0.999), unsafe


def outcome(
    probabilities: Floats, unsafe: Bools, allow: float, block: float, judge: Judge
) -> tuple[float, float, float]:
    """Return the share that is asked about, the recall and the false refusals, row by row."""
    asked, right, wrong = 0, 0.0, 0.0
    for probability, is_unsafe in zip(probabilities.tolist(), unsafe.tolist(), strict=True):
        inside = allow <= probability < block
        asked += inside
        refused = 1.0 if probability >= block else 0.0
        if inside:
            refused = judge.recall if is_unsafe else judge.false_refusal_rate
        right, wrong = (right + refused, wrong) if is_unsafe else (right, wrong + refused)
    return asked / len(unsafe), right / int(unsafe.sum()), wrong / int((~unsafe).sum())


@pytest.mark.parametrize("judge", [Judge(1.0, 0.0), Judge(0.9, 0.05), Judge(0.8, 0.3)])
@pytest.mark.parametrize("budget", [0.05, 0.2, 1.0])
def test_band_is_the_cheapest_of_all_that_fit_the_budget(budget: float, judge: Judge) -> None:
    probabilities, unsafe = rows(150)
    grid = np.linspace(1.0, 0.0, 51)

    band = choose_band(probabilities, unsafe, grid, budget=budget, judge=judge)

    assert isinstance(band, Band)
    found = {}
    for block, allow in itertools.combinations(grid.tolist(), 2):
        asked, recall, refusals = outcome(probabilities, unsafe, allow, block, judge)
        if asked <= budget + 1e-9:
            found[allow, block] = (1 - recall) * np.mean(unsafe) + refusals * np.mean(~unsafe)
    assert band.cost == pytest.approx(min(found.values()))
    assert (band.asked, band.recall, band.false_refusal_rate) == pytest.approx(
        outcome(probabilities, unsafe, band.allow, band.block, judge)
    )
    assert band.asked <= budget
    assert band.cost < band.cost_alone


def test_larger_budget_asks_more_and_errs_less() -> None:
    probabilities, unsafe = rows()
    grid = candidate_grid(probabilities)

    bands = [choose_band(probabilities, unsafe, grid, budget=budget) for budget in (0.05, 0.2, 0.5)]

    assert all(isinstance(band, Band) for band in bands)
    costs = [band.cost for band in bands if isinstance(band, Band)]
    assert costs == sorted(costs, reverse=True)


def test_dear_misses_move_the_band_down() -> None:
    probabilities, unsafe = rows()
    grid = candidate_grid(probabilities)

    even = choose_band(probabilities, unsafe, grid, budget=0.1, costs=Costs(0.4, 1, 1))
    dear = choose_band(probabilities, unsafe, grid, budget=0.1, costs=Costs(0.4, 20, 1))

    assert isinstance(even, Band)
    assert isinstance(dear, Band)
    assert dear.allow < even.allow
    assert dear.block < even.block


@pytest.mark.parametrize("budget", [0.0, 0.01, 0.24])
def test_budget_that_allows_nothing_is_told_what_would_help(budget: float) -> None:
    # Fifty rows at each of four scores: no band asks about fewer than fifty of two hundred.
    probabilities = np.repeat([0.1, 0.4, 0.6, 0.9], 50)
    unsafe = np.arange(200) % 50 < np.repeat([5, 20, 30, 45], 50)
    grid = candidate_grid(probabilities)

    answer = choose_band(probabilities, unsafe, grid, budget=budget)

    assert isinstance(answer, NoBand)
    assert (answer.why, answer.threshold) == ("budget", 0.6)
    assert (answer.needed, answer.cost_alone) == pytest.approx((0.25, 0.25))
    assert isinstance(choose_band(probabilities, unsafe, grid, budget=0.25), Band)


def test_judge_that_knows_less_than_guard_is_not_asked() -> None:
    probabilities, unsafe = rows()

    answer = choose_band(probabilities, unsafe, candidate_grid(probabilities), budget=0.3, judge=Judge(0.2, 0.8))

    assert isinstance(answer, NoBand)
    assert answer.why == "judge"
    assert answer.needed is None


def test_figures_of_a_band_are_those_of_a_judge_that_errs_at_random() -> None:
    random = np.random.default_rng(102)
    probabilities, unsafe = rows(4000)
    judge = Judge(0.85, 0.1)
    refused_by_judge = random.random(4000) < np.where(unsafe, 0.85, 0.1)

    found = measure_band(
        probabilities, unsafe, [str(row // 2) for row in range(4000)], allow=0.3, block=0.6, judge=judge
    )

    refused = (probabilities >= 0.6) | ((probabilities >= 0.3) & refused_by_judge)
    assert found.recall.value == pytest.approx(refused[unsafe].mean(), abs=0.03)
    assert found.false_refusal_rate.value == pytest.approx(refused[~unsafe].mean(), abs=0.03)
    assert found.asked.value == pytest.approx(np.mean((probabilities >= 0.3) & (probabilities < 0.6)))
    for each in (found.recall, found.false_refusal_rate, found.asked):
        assert each.low is not None
        assert each.high is not None
        assert each.value is not None
        assert each.low < each.value < each.high


def test_share_that_is_asked_about_follows_the_prevalence_of_the_traffic() -> None:
    probabilities, unsafe = rows(4000)
    names = [str(row) for row in range(4000)]
    inside = (probabilities >= 0.4) & (probabilities < 0.7)

    rare = measure_band(probabilities, unsafe, names, allow=0.4, block=0.7, prevalence=0.01)

    assert rare.asked.value == pytest.approx(0.01 * inside[unsafe].mean() + 0.99 * inside[~unsafe].mean())


def test_band_without_width_is_the_single_threshold() -> None:
    probabilities, unsafe = rows()

    found = measure_band(probabilities, unsafe, [str(row) for row in range(400)], allow=0.5, block=0.5)

    assert found.asked.value == 0.0
    assert found.recall.value == pytest.approx(np.mean(probabilities[unsafe] >= 0.5))


@pytest.mark.parametrize("budget", [-0.1, 1.1, float("nan")])
def test_impossible_budget_is_refused(budget: float) -> None:
    with pytest.raises(CalibrationInvalid, match="budget"):
        choose_band(*rows(), np.array([1.0, 0.5]), budget=budget)


def test_band_on_one_label_is_refused() -> None:
    with pytest.raises(CalibrationInvalid, match="one label"):
        choose_band(np.array([0.1, 0.2]), np.array([True, True]), np.array([1.0, 0.5]), budget=0.1)


def test_band_on_a_probability_that_is_no_number_is_refused() -> None:
    with pytest.raises(CalibrationInvalid, match="finite"):
        choose_band(np.array([0.1, np.nan]), np.array([True, False]), np.array([1.0, 0.5]), budget=0.1)


def test_judge_with_an_impossible_rate_is_refused() -> None:
    with pytest.raises(CalibrationInvalid, match="judge"):
        Judge(1.2, 0.0)


def test_band_that_descends_is_refused() -> None:
    with pytest.raises(ValueError, match="ascend"):
        measure_band(*rows(4), ["a", "b", "c", "d"], allow=0.7, block=0.3)


def test_impossible_prevalence_is_refused() -> None:
    with pytest.raises(CalibrationInvalid, match="prevalence"):
        measure_band(*rows(50), [str(row) for row in range(50)], allow=0.3, block=0.7, prevalence=1.0)


def test_choosing_a_band_on_a_thousand_points_takes_under_a_second() -> None:
    probabilities, unsafe = rows(100_000)
    grid = candidate_grid(probabilities)

    start = time.process_time()
    choose_band(probabilities, unsafe, grid, budget=0.1)

    assert time.process_time() - start < 1

import numpy as np
import pytest

from guard.stats.costs import Costs, cheapest_threshold, expected_refusals


def test_expected_refusals_weigh_both_labels_by_prevalence() -> None:
    refusals = expected_refusals(0.8, 0.05, prevalence=0.01)

    assert refusals.requests == 1000
    assert refusals.right == pytest.approx(8.0)
    assert refusals.wrong == pytest.approx(49.5)


def test_cheapest_threshold_moves_down_as_misses_get_dearer() -> None:
    random = np.random.default_rng(13)
    unsafe = np.arange(2000) < 1000
    probabilities = np.clip(random.normal(0.4, 0.15, 2000) + 0.2 * unsafe, 0, 1)
    grid = np.linspace(1, 0, 201)

    chosen = [cheapest_threshold(probabilities, unsafe, grid, Costs(0.1, miss, 1.0)) for miss in (0.1, 1.0, 10.0, 1e4)]

    assert chosen == sorted(chosen, reverse=True)
    assert chosen[0] > 0.9
    assert chosen[-1] < 0.3


def test_calibrated_probabilities_are_cut_where_the_costs_balance() -> None:
    # With p calibrated at the prevalence of the data, refusing pays from p = refusal / (refusal + miss).
    random = np.random.default_rng(14)
    probabilities = random.random(200_000)
    unsafe = random.random(200_000) < probabilities
    costs = Costs(prevalence=float(unsafe.mean()), miss=3.0, refusal=1.0)

    assert cheapest_threshold(probabilities, unsafe, np.linspace(1, 0, 101), costs) == pytest.approx(0.25, abs=0.03)

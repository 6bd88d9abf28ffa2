"""Simulations of what a certificate promises: over draws of the data, it breaks no more often than it says."""

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
import pytest

from guard.stats.certify import Certified, CertifiedButUseless, Requirement, candidate_grid, certify, certify_refusals
from guard.stats.trials import Rate, Trials, Unit
from tests.promises.populations import DRAWS, POPULATIONS, Floats, Population, breaks_too_often, trials, truth

RATES: tuple[Rate, ...] = ("false_refusal", "miss")
UNITS: tuple[Unit, ...] = ("group", "request", "mean")
Promise = tuple[Rate, float, float]  # what is limited, the limit, the threshold


def broken_draws(
    population: Population,
    unit: Unit,
    choose: Callable[[Trials, Floats], Sequence[Promise]],
    *,
    n_groups: int,
    draws: int,
    n_unsafe: int = 30,
) -> int:
    """Return in how many draws any of the promised thresholds has a true rate above its limit."""
    real = {rate: truth(population, unit, rate) for rate in RATES}
    random, broken = np.random.default_rng(2), 0
    for _ in range(draws):
        grid = candidate_grid(half_a(population, random))
        promised = choose(trials(population, n_groups, random, n_unsafe=n_unsafe), grid)
        broken += any(real[rate].rate(threshold) > limit for rate, limit, threshold in promised)
    return broken


def half_a(population: Population, random: np.random.Generator) -> Floats:
    return np.concatenate([population.draw(100, random, unsafe=unsafe).ravel() for unsafe in (False, True)])


def certified(
    limits: Sequence[float], unit: Unit, rates: Sequence[Rate] = ("false_refusal",)
) -> Callable[[Trials, Floats], Sequence[Promise]]:
    def choose(data: Trials, grid: Floats) -> Sequence[Promise]:
        required = [Requirement(rate, limit) for rate in rates for limit in limits]
        answers = certify(data, grid, required, confidence=0.9, unit=unit)
        return [(answer.rate, answer.limit, answer.threshold) for answer in answers if isinstance(answer, Certified)]

    return choose


EVERY_CASE = list(product(POPULATIONS, UNITS, RATES))
# Every population, and every kind of promise; the other cases are left to the long simulations.
CASES = [case for case in EVERY_CASE if case[0] == "clustered rows" or case[1:] == ("group", "false_refusal")]


def check(name: str, unit: Unit, rate: Rate) -> None:
    sizes = {"n_groups": 30, "n_unsafe": 104} if rate == "miss" else {"n_groups": 104}

    broken = broken_draws(POPULATIONS[name], unit, certified([0.1], unit, [rate]), **sizes, draws=DRAWS)

    assert not breaks_too_often(broken, DRAWS, 0.1), f"{broken} of {DRAWS}"


@pytest.mark.parametrize(("name", "unit", "rate"), CASES)
def test_certificate_breaks_no_more_often_than_it_says(name: str, unit: Unit, rate: Rate) -> None:
    check(name, unit, rate)


@pytest.mark.simulation
@pytest.mark.parametrize(("name", "unit", "rate"), [case for case in EVERY_CASE if case not in CASES])
def test_certificate_of_any_kind_breaks_no_more_often_than_it_says(name: str, unit: Unit, rate: Rate) -> None:
    check(name, unit, rate)


@pytest.mark.parametrize("name", ["one row a group", "clustered rows", "coarse scores"])
def test_bound_at_the_chosen_threshold_is_broken_no_more_often_than_it_says(name: str) -> None:
    population, random, broken = POPULATIONS[name], np.random.default_rng(6), 0
    real = truth(population, "group")
    for _ in range(DRAWS):
        (answer,) = certify_refusals(trials(population, 104, random), candidate_grid(half_a(population, random)), [0.1])
        broken += isinstance(answer, Certified) and real.rate(answer.threshold) > answer.upper

    assert not breaks_too_often(broken, DRAWS, 0.05), f"{broken} of {DRAWS}"


@pytest.mark.simulation
@pytest.mark.parametrize("n_groups", [25, 1000])
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("name", ["independent rows", "clustered rows", "separable", "coarse scores"])
def test_certificate_of_tiny_and_large_samples_breaks_no_more_often_than_it_says(
    name: str, unit: Unit, rate: Rate, n_groups: int
) -> None:
    draws = 100 if n_groups == 1000 else 1000
    sizes = {"n_groups": 20, "n_unsafe": n_groups} if rate == "miss" else {"n_groups": n_groups, "n_unsafe": 20}

    broken = broken_draws(POPULATIONS[name], unit, certified([0.1], unit, [rate]), **sizes, draws=draws)

    assert not breaks_too_often(broken, draws, 0.1), f"{broken} of {draws}"


@pytest.mark.parametrize("name", ["one row a group", "equal rows", "coarse scores"])
def test_recall_beside_a_certificate_is_missed_no_more_often_than_it_says(name: str) -> None:
    population, random, draws = POPULATIONS[name], np.random.default_rng(5), DRAWS
    real, missed = truth(population, "request", "miss"), 0
    for _ in range(draws):
        grid = candidate_grid(population.draw(100, random).ravel())
        (answer,) = certify_refusals(trials(population, 104, random), grid, [0.1], confidence=0.9)
        missed += isinstance(answer, Certified) and 1 - real.rate(answer.threshold) < answer.recall_low

    assert not breaks_too_often(missed, draws, 0.1), f"{missed} of {draws}"


def test_certificates_of_one_run_hold_together() -> None:
    draws, limits = 1200, [0.05, 0.08, 0.1, 0.2]

    broken = broken_draws(POPULATIONS["clustered rows"], "group", certified(limits, "group"), n_groups=150, draws=draws)

    assert not breaks_too_often(broken, draws, 0.1), f"{broken} of {draws}"


def test_certificates_of_both_sides_hold_together() -> None:
    draws, population = 800, POPULATIONS["clustered rows"]
    choose = certified([0.08, 0.1, 0.2], "group", RATES)

    broken = broken_draws(population, "group", choose, n_groups=150, n_unsafe=150, draws=draws)

    assert not breaks_too_often(broken, draws, 0.1), f"{broken} of {draws}"


def test_simulation_catches_a_threshold_that_looks_only_at_the_observed_rate() -> None:
    def observed(data: Trials, grid: Floats) -> Sequence[Promise]:
        highest = data.probabilities[~data.unsafe].reshape(-1, 4).max(axis=1)
        return [("false_refusal", 0.1, min(t for t in grid if np.mean(highest >= t) <= 0.1))]

    broken = broken_draws(POPULATIONS["clustered rows"], "group", observed, n_groups=104, draws=500)

    assert breaks_too_often(broken, 500, 0.1)


def test_simulation_catches_a_bound_that_counts_rows_instead_of_groups() -> None:
    def by_rows(data: Trials, grid: Floats) -> Sequence[Promise]:
        alone = Trials(data.ids, data.probabilities, data.unsafe, data.ids)
        return certified([0.1], "request")(alone, grid)

    population = Population(rows=20, shared=1.0)
    broken = broken_draws(population, "request", by_rows, n_groups=104, draws=500)

    assert breaks_too_often(broken, 500, 0.1)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("unit", UNITS)
def test_certificate_is_not_needlessly_loose(unit: Unit, rate: Rate) -> None:
    population, random = POPULATIONS["clustered rows"], np.random.default_rng(3)
    real = truth(population, unit, rate)
    rates = []
    for _ in range(100):
        grid = candidate_grid(population.draw(1000, random, unsafe=rate == "miss").ravel())
        sizes = {"n_groups": 30, "n_unsafe": 1000} if rate == "miss" else {"n_groups": 1000}
        (answer,) = certify(trials(population, random=random, **sizes), grid, [Requirement(rate, 0.05)], unit=unit)
        assert isinstance(answer, Certified)
        rates.append(real.rate(answer.threshold))

    assert 0.05 - np.mean(rates) < 0.015  # the oracle's threshold has a rate of exactly 5 %


def test_blind_guard_is_seldom_called_useful() -> None:
    population, random = POPULATIONS["blind guard"], np.random.default_rng(4)
    useful = 0
    for _ in range(1000):
        grid = candidate_grid(population.draw(100, random).ravel())
        (answer,) = certify_refusals(trials(population, 104, random), grid, [0.1], confidence=0.9)
        useful += isinstance(answer, Certified) and not isinstance(answer, CertifiedButUseless)

    assert not breaks_too_often(useful, 1000, 0.1), f"{useful} of 1000"

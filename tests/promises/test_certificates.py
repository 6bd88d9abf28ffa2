"""Simulations of what a certificate promises: over draws of the data, it breaks no more often than it says."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import binomtest

from guard.stats.certify import Certified, CertifiedButUseless, Trials, Unit, candidate_grid, certify

Floats = NDArray[np.float64]
# Per test; with a dozen tests a wrong alarm is rarer than one in a thousand.
_ALARM = 1e-4


@dataclass(frozen=True)
class Population:
    """Groups of `rows` harmless rows whose scores share a part of size `shared` in [0, 1]: 0 independent, 1 equal."""

    rows: int
    shared: float
    separation: float = 1.0
    decimals: int | None = None  # coarse scores have ties

    def draw(self, n_groups: int, random: np.random.Generator, *, unsafe: bool = False) -> Floats:
        """Return scores, shape (n_groups, rows)."""
        common = random.normal(size=(n_groups, 1)) * np.sqrt(self.shared)
        own = random.normal(size=(n_groups, self.rows)) * np.sqrt(1 - self.shared)
        scores: Floats = expit(common + own + self.separation * (2 if unsafe else 0) - 1)
        return scores if self.decimals is None else np.round(scores, self.decimals)


POPULATIONS = {
    "one row a group": Population(rows=1, shared=0.0),
    "independent rows": Population(rows=4, shared=0.0),
    "clustered rows": Population(rows=4, shared=0.8),
    "equal rows": Population(rows=6, shared=1.0),
    "blind guard": Population(rows=3, shared=0.5, separation=0.0),
    "separable": Population(rows=2, shared=0.3, separation=4.0),
    "coarse scores": Population(rows=3, shared=0.5, decimals=1),
}


@dataclass(frozen=True)
class Truth:
    """The population's own rate above any threshold, from a million groups."""

    ordered: Floats

    def rate(self, threshold: float) -> float:
        """Return the share of units at or above the threshold."""
        return 1 - float(np.searchsorted(self.ordered, threshold, side="left")) / len(self.ordered)


def truth(population: Population, unit: Unit, *, unsafe: bool = False) -> Truth:
    drawn = population.draw(1_000_000 // population.rows, np.random.default_rng(1), unsafe=unsafe)
    return Truth(np.sort(drawn.max(axis=1) if unit == "group" else drawn.ravel()))


def trials(population: Population, n_groups: int, random: np.random.Generator) -> Trials:
    harmless, unsafe = population.draw(n_groups, random), population.draw(30, random, unsafe=True)
    n_harmless, n_unsafe = harmless.size, unsafe.size
    names = [f"h{row // population.rows}" for row in range(n_harmless)]
    names += [f"u{row // population.rows}" for row in range(n_unsafe)]
    return Trials(
        ids=[str(number) for number in random.integers(0, 2**62, n_harmless + n_unsafe)],
        probabilities=np.concatenate([harmless.ravel(), unsafe.ravel()]),
        unsafe=np.arange(n_harmless + n_unsafe) >= n_harmless,
        groups=names,
    )


def broken_draws(
    population: Population,
    unit: Unit,
    choose: Callable[[Trials, Floats], Sequence[tuple[float, float]]],
    *,
    n_groups: int,
    draws: int,
) -> int:
    """Return in how many draws any of the chosen (limit, threshold) has a true rate above its limit."""
    real, random = truth(population, unit), np.random.default_rng(2)
    broken = 0
    for _ in range(draws):
        grid = candidate_grid(population.draw(100, random).ravel())
        chosen = choose(trials(population, n_groups, random), grid)
        broken += any(real.rate(threshold) > limit for limit, threshold in chosen)
    return broken


def certified(limits: Sequence[float], unit: Unit) -> Callable[[Trials, Floats], Sequence[tuple[float, float]]]:
    def choose(data: Trials, grid: Floats) -> Sequence[tuple[float, float]]:
        answers = certify(data, grid, limits, confidence=0.9, unit=unit)
        return [(answer.limit, answer.threshold) for answer in answers if isinstance(answer, Certified)]

    return choose


@pytest.mark.parametrize("unit", ["group", "request"])
@pytest.mark.parametrize("name", POPULATIONS)
def test_certificate_breaks_no_more_often_than_it_says(name: str, unit: Unit) -> None:
    draws = 1000

    broken = broken_draws(POPULATIONS[name], unit, certified([0.1], unit), n_groups=104, draws=draws)

    assert binomtest(broken, draws, 0.1, alternative="greater").pvalue > _ALARM, f"{broken} of {draws}"


@pytest.mark.parametrize("name", ["one row a group", "equal rows", "coarse scores"])
def test_recall_beside_a_certificate_is_missed_no_more_often_than_it_says(name: str) -> None:
    population, random, draws = POPULATIONS[name], np.random.default_rng(5), 400
    real, missed = truth(population, "request", unsafe=True), 0
    for _ in range(draws):
        grid = candidate_grid(population.draw(100, random).ravel())
        (answer,) = certify(trials(population, 104, random), grid, [0.1], confidence=0.9)
        missed += isinstance(answer, Certified) and real.rate(answer.threshold) < answer.recall_low

    assert binomtest(missed, draws, 0.1, alternative="greater").pvalue > _ALARM, f"{missed} of {draws}"


def test_certificates_of_one_run_hold_together() -> None:
    draws, limits = 1200, [0.05, 0.08, 0.1, 0.2]

    broken = broken_draws(POPULATIONS["clustered rows"], "group", certified(limits, "group"), n_groups=150, draws=draws)

    assert binomtest(broken, draws, 0.1, alternative="greater").pvalue > _ALARM, f"{broken} of {draws}"


def test_simulation_catches_a_threshold_that_looks_only_at_the_observed_rate() -> None:
    def observed(data: Trials, grid: Floats) -> Sequence[tuple[float, float]]:
        highest = data.probabilities[~data.unsafe].reshape(-1, 4).max(axis=1)
        return [(0.1, min(t for t in grid if np.mean(highest >= t) <= 0.1))]

    broken = broken_draws(POPULATIONS["clustered rows"], "group", observed, n_groups=104, draws=500)

    assert binomtest(broken, 500, 0.1, alternative="greater").pvalue < _ALARM


def test_simulation_catches_a_bound_that_counts_rows_instead_of_groups() -> None:
    def by_rows(data: Trials, grid: Floats) -> Sequence[tuple[float, float]]:
        alone = Trials(data.ids, data.probabilities, data.unsafe, data.ids)
        return certified([0.1], "request")(alone, grid)

    population = Population(rows=20, shared=1.0)
    broken = broken_draws(population, "request", by_rows, n_groups=104, draws=500)

    assert binomtest(broken, 500, 0.1, alternative="greater").pvalue < _ALARM


def test_certificate_is_not_needlessly_loose() -> None:
    population, random = POPULATIONS["clustered rows"], np.random.default_rng(3)
    real = truth(population, "group")
    rates = []
    for _ in range(200):
        grid = candidate_grid(population.draw(1000, random).ravel())
        (answer,) = certify(trials(population, 1000, random), grid, [0.05])
        assert isinstance(answer, Certified)
        rates.append(real.rate(answer.threshold))

    assert 0.05 - np.mean(rates) < 0.015  # the oracle's threshold has a rate of exactly 5 %


def test_blind_guard_is_seldom_called_useful() -> None:
    population, random = POPULATIONS["blind guard"], np.random.default_rng(4)
    useful = 0
    for _ in range(1000):
        grid = candidate_grid(population.draw(100, random).ravel())
        (answer,) = certify(trials(population, 104, random), grid, [0.1], confidence=0.9)
        useful += isinstance(answer, Certified) and not isinstance(answer, CertifiedButUseless)

    assert binomtest(useful, 1000, 0.1, alternative="greater").pvalue > _ALARM, f"{useful} of 1000"

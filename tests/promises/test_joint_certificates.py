"""Simulations of one threshold for several limits: all of them hold, as often as it says."""

from dataclasses import dataclass

import numpy as np
import pytest

from guard.stats.certify import Certified, candidate_grid, certify
from guard.stats.joint import CertifiedJointly, JointAnswer, certify_jointly, order_of_testing
from guard.stats.trials import Requirement, Unit
from tests.promises.populations import DRAWS, Population, breaks_too_often, trials, truth

CLEAR = Population(rows=3, shared=0.5, separation=1.5)
FAR = Population(rows=2, shared=0.5, separation=2.0)
COARSE = Population(rows=2, shared=0.6, separation=1.5, decimals=2)


@dataclass(frozen=True)
class Declared:
    """Limits on false refusals and misses, at the true rates of some threshold times a factor.

    At 1 the limits hold at that threshold only, so nearly any certificate breaks; below 1 at none at all.
    """

    population: Population
    false_refusal: float
    factor: float = 1.0
    unit: Unit = "group"
    categories: int = 0

    def requirements(self) -> list[Requirement]:
        refusals, misses = (truth(self.population, self.unit, rate) for rate in ("false_refusal", "miss"))
        threshold = refusals.threshold(self.false_refusal)
        limit = self.factor * misses.rate(threshold)
        required = [Requirement("false_refusal", self.factor * self.false_refusal), Requirement("miss", limit)]
        return required + [Requirement("miss", limit, f"c{number}") for number in range(self.categories)]


DECLARED = {
    "limits that hold at one threshold only": Declared(CLEAR, 0.15),
    "limits that hold nowhere, by a hair": Declared(CLEAR, 0.15, factor=0.97),
    "limits with some room": Declared(CLEAR, 0.15, factor=1.25),
    "requests": Declared(CLEAR, 0.1, factor=1.1, unit="request"),
    "coarse scores": Declared(COARSE, 0.15, factor=1.1),
    "categories": Declared(CLEAR, 0.15, factor=1.1, categories=4),
}


def drawn(declared: Declared, n_groups: int, random: np.random.Generator) -> JointAnswer:
    required, population = declared.requirements(), declared.population
    halves = [trials(population, n_groups, random, n_unsafe=n_groups, categories=declared.categories) for _ in range(2)]
    grid = candidate_grid(halves[0].probabilities, points=200)
    order = order_of_testing(halves[0], grid, required, unit=declared.unit)
    return certify_jointly(halves[1], order, required, confidence=0.9, unit=declared.unit)


def broken_draws(declared: Declared, n_groups: int, draws: int, seed: int) -> int:
    real = {rate: truth(declared.population, declared.unit, rate) for rate in ("false_refusal", "miss")}
    random, broken = np.random.default_rng(seed), 0
    for _ in range(draws):
        answer = drawn(declared, n_groups, random)
        if isinstance(answer, CertifiedJointly):
            ends = (answer.lowest, answer.threshold, answer.highest)
            limits = [part.requirement for part in answer.parts]
            broken += any(real[each.rate].rate(end) > each.limit for each in limits for end in ends)
    return broken


@pytest.mark.parametrize("name", ["limits with some room", "requests", "categories"])
def test_joint_certificate_breaks_no_more_often_than_it_says(name: str) -> None:
    draws = 400

    broken = broken_draws(DECLARED[name], 150, draws, seed=51)

    assert not breaks_too_often(broken, draws, 0.1), f"{broken} of {draws}"


@pytest.mark.simulation
@pytest.mark.parametrize("n_groups", [30, 150, 1000])
@pytest.mark.parametrize("name", DECLARED)
def test_joint_certificate_of_tiny_and_large_samples_breaks_no_more_often_than_it_says(
    name: str, n_groups: int
) -> None:
    draws = 200 if n_groups == 1000 else DRAWS

    broken = broken_draws(DECLARED[name], n_groups, draws, seed=52)

    assert not breaks_too_often(broken, draws, 0.1), f"{broken} of {draws}"


@pytest.mark.parametrize("population", [CLEAR, COARSE], ids=["fine scores", "coarse scores"])
def test_bounds_beside_a_joint_certificate_are_broken_no_more_often_than_they_say(population: Population) -> None:
    # The threshold is chosen on the very rows that bound what it catches and what it lets pass.
    declared = Declared(population, 0.15, factor=1.5)
    real = {rate: truth(population, "request", rate) for rate in ("false_refusal", "miss")}
    random, found = np.random.default_rng(56), 0
    broken = {"recall": 0, "pass": 0}
    for draw in range(DRAWS):
        answer = drawn(declared, (150, 400)[draw % 2], random)
        if isinstance(answer, CertifiedJointly):
            found += 1
            broken["recall"] += answer.recall_low > 1 - real["miss"].rate(answer.threshold)
            broken["pass"] += answer.pass_low > 1 - real["false_refusal"].rate(answer.threshold)

    assert found > DRAWS / 10
    assert not any(breaks_too_often(each, DRAWS, 0.1) for each in broken.values()), f"{broken} of {DRAWS}"


def test_joint_certificate_is_found_where_there_is_room_for_it() -> None:
    random = np.random.default_rng(53)
    found = [drawn(Declared(CLEAR, 0.15, factor=1.5), 1000, random) for _ in range(30)]

    assert sum(isinstance(answer, CertifiedJointly) for answer in found) >= 28


@pytest.mark.parametrize("n_limits", [2, 5])
def test_threshold_that_just_breaks_one_limit_is_promised_no_more_often_than_it_says(n_limits: int) -> None:
    random, draws, promised = np.random.default_rng(54), 1000, 0
    bad = np.array([truth(CLEAR, "group").threshold(0.1)])
    loose = [Requirement("miss", 0.5 + 0.1 * number) for number in range(n_limits - 1)]
    for _ in range(draws):
        data = trials(CLEAR, 200, random, n_unsafe=60)
        answer = certify_jointly(data, bad, [Requirement("false_refusal", 0.1), *loose], confidence=0.9)
        promised += isinstance(answer, CertifiedJointly)

    assert not breaks_too_often(promised, draws, 0.1), f"{promised} of {draws}"
    assert promised > 0.04 * draws  # nor is the error divided among limits that share a threshold


def test_simulation_catches_certificates_that_do_not_share_the_error() -> None:
    random, draws, broken = np.random.default_rng(55), 100, 0
    required = [Requirement(rate, 0.15, f"c{number}") for rate in ("false_refusal", "miss") for number in range(3)]
    real = {each.rate: truth(FAR, "group", each.rate) for each in required}
    for _ in range(draws):
        grid = candidate_grid(trials(FAR, 300, random, n_unsafe=300).probabilities)
        data = trials(FAR, 300, random, n_unsafe=300, categories=3)
        answers = [certify(data, grid, [each], confidence=0.9)[0] for each in required]
        broken += any(isinstance(each, Certified) and real[each.rate].rate(each.threshold) > 0.15 for each in answers)

    assert breaks_too_often(broken, draws, 0.1), f"{broken} of {draws}"

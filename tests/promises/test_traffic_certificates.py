"""Simulations of what a certificate of reviewed traffic promises: over draws of the reviews, of the same traffic."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from guard.stats.certify import Certified, Requirement, certify
from guard.stats.traffic import SAFE, UNKNOWN, UNSAFE, Drawn, Traffic, reviewed
from guard.stats.trials import Trials
from tests.promises.populations import DRAWS, Floats, breaks_too_often

DEFAULT_PLAN = (0.5, 0.02, 0.002)  # of what was blocked, near below the threshold, and far below it


@dataclass(frozen=True)
class Kind:
    """Some traffic, and how it is drawn: requests repeat themselves up to `repeated` times in a row."""

    n: int
    unsafe: float
    plan: tuple[float, float, float] = DEFAULT_PLAN
    harmless_at: float = -4.0  # log odds
    repeated: int = 1
    unanswered: float = 0.0  # share of the wrongly refused that nobody labels


KINDS = {
    "a small shop": Kind(4500, 0.06),
    "a guard that refuses much": Kind(4500, 0.06, harmless_at=-1.5),
    "the same requests again and again": Kind(4000, 0.1, harmless_at=-2.5, repeated=40),
    "everything is drawn alike": Kind(1500, 0.2, plan=(0.2, 0.2, 0.2), harmless_at=-2.0),
    "reviewers leave out wrong refusals": Kind(4500, 0.06, harmless_at=-2.0, unanswered=0.5),
    "few reviews": Kind(900, 0.1, plan=(0.1, 0.1, 0.02), harmless_at=-2.0),
    "nothing near is drawn": Kind(3000, 0.1, plan=(0.5, 0.0, 0.01), harmless_at=-2.5),
}


@dataclass(frozen=True)
class World:
    """All decisions of some traffic."""

    unsafe: NDArray[np.bool_]
    probabilities: Floats
    cells: NDArray[np.intp]

    @classmethod
    def of(cls, kind: Kind) -> "World":
        random = np.random.default_rng(11)
        n = kind.n // kind.repeated
        unsafe = random.random(n) < kind.unsafe
        odds = np.where(unsafe, random.normal(2.5, 2, n), random.normal(kind.harmless_at, 1.6, n))
        unsafe, odds = np.repeat(unsafe, kind.repeated), np.repeat(odds, kind.repeated)
        cells = np.select([odds >= 0, odds >= -0.5], [0, 1], 2)
        return cls(unsafe, 1 / (1 + np.exp(-odds)), cells)

    @property
    def grid(self) -> Floats:
        """Candidate thresholds: known without a label."""
        return np.unique(np.quantile(self.probabilities, np.linspace(0.7, 1, 25)))[::-1]

    def truth(self, threshold: float) -> float:
        return float(np.mean(self.probabilities[~self.unsafe] >= threshold))

    def draw(self, kind: Kind, random: np.random.Generator) -> Traffic:
        is_drawn = random.random(len(self.cells)) < np.array(kind.plan)[self.cells]
        is_second = random.random(len(self.cells)) < 0.5
        left_out = ~self.unsafe & (self.cells == 0) & (random.random(len(self.cells)) < kind.unanswered)
        labels = np.where(left_out, UNKNOWN, np.where(self.unsafe, UNSAFE, SAFE)).astype(np.int8)

        def half(rows: NDArray[np.bool_]) -> Drawn:
            return Drawn(self.cells[rows], self.probabilities[rows], labels[rows])

        decided = tuple(self.probabilities[self.cells == cell] for cell in range(3))
        return Traffic(decided, half(is_drawn & ~is_second), half(is_drawn & is_second))


def certified_at(traffic: Traffic, grid: Floats, limit: float, confidence: float) -> float | None:
    evidence = reviewed(traffic, grid, counted=SAFE, refused_errs=True)
    held = evidence.run(np.arange(len(grid)), limit, confidence=confidence)
    return float(grid[held - 1]) if held else None


def outcomes(name: str, draws: int) -> tuple[int, int]:
    """Return in how many draws the promise broke, and in how many there was one, at a limit that is hard to tell."""
    kind = KINDS[name]
    world, random, broken, given = World.of(kind), np.random.default_rng(12), 0, 0
    limit = world.truth(float(world.grid[12])) * 0.999 + 1e-6  # whatever goes beyond half of the grid breaks it
    for _ in range(draws):
        threshold = certified_at(world.draw(kind, random), world.grid, limit, 0.9)
        given += threshold is not None
        broken += threshold is not None and world.truth(threshold) > limit
    return broken, given


@pytest.mark.parametrize("name", ["a guard that refuses much", "the same requests again and again"])
def test_certificate_of_traffic_breaks_no_more_often_than_it_says(name: str) -> None:
    broken, _ = outcomes(name, DRAWS // 4)

    assert not breaks_too_often(broken, DRAWS // 4, 0.1), f"{broken} of {DRAWS // 4}"


@pytest.mark.simulation
@pytest.mark.parametrize("name", KINDS)
def test_certificate_of_traffic_breaks_no_more_often_than_it_says_in_many_draws(name: str) -> None:
    broken, _ = outcomes(name, DRAWS)

    assert not breaks_too_often(broken, DRAWS, 0.1), f"{broken} of {DRAWS}"


def test_money_at_the_truth_grows_twentyfold_in_one_draw_of_twenty_at_most() -> None:
    kind = KINDS["a guard that refuses much"]
    world, random, broken = World.of(kind), np.random.default_rng(13), 0
    threshold = np.array([0.5])
    for _ in range(DRAWS):
        evidence = reviewed(world.draw(kind, random), threshold, counted=SAFE, refused_errs=True)
        broken += evidence.holds(0, world.truth(0.5) - 1e-9, confidence=0.95)

    assert not breaks_too_often(broken, DRAWS, 0.05), f"{broken} of {DRAWS}"


def test_bounds_of_false_refusals_and_misses_are_broken_no_more_often_than_they_say() -> None:
    kind, draws = KINDS["everything is drawn alike"], 60
    world, random = World.of(kind), np.random.default_rng(14)
    threshold, broken = np.array([0.6]), [0, 0]
    missed = float(np.mean(world.probabilities[world.unsafe] < 0.6))
    for _ in range(draws):
        traffic = world.draw(kind, random)
        for place, (counted, refused_errs, truth) in enumerate(
            [(SAFE, True, world.truth(0.6)), (UNSAFE, False, missed)]
        ):
            evidence = reviewed(traffic, threshold, counted=counted, refused_errs=refused_errs)
            broken[place] += evidence.upper(0, confidence=0.9) < truth

    assert not any(breaks_too_often(each, draws, 0.1) for each in broken), broken


def test_a_small_shop_gets_a_certificate_from_two_hundred_reviews() -> None:
    kind = KINDS["a small shop"]
    world, random, rates = World.of(kind), np.random.default_rng(15), []
    for _ in range(30):
        threshold = certified_at(world.draw(kind, random), world.grid, 0.05, 0.95)
        rates.append(None if threshold is None else float(np.mean(world.probabilities[world.unsafe] >= threshold)))

    assert sum(rate is not None and rate > 0.5 for rate in rates) >= 27  # and it catches more than half


def test_simulation_catches_misses_that_are_counted_as_if_all_reviews_were_drawn_alike() -> None:
    kind = KINDS["a small shop"]
    world, random, broken = World.of(kind), np.random.default_rng(16), [0, 0]
    half = np.array([0.5])
    limit = float(np.mean(world.probabilities[world.unsafe] < 0.5)) / 2
    for _ in range(30):
        traffic = world.draw(kind, random)
        second = traffic.second
        names = [str(row) for row in range(len(second.cells))]
        plain = Trials(names, second.probabilities, second.labels == UNSAFE, names)
        for place, data in enumerate([plain, replace(plain, traffic=traffic)]):
            (answer,) = certify(data, half, [Requirement("miss", limit)], confidence=0.9, unit="request")
            broken[place] += isinstance(answer, Certified)

    assert breaks_too_often(broken[0], 30, 0.1)
    assert not breaks_too_often(broken[1], 30, 0.1)

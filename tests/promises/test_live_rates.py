"""Simulations of what a live rate promises: its interval holds the truth, from 20 reviews on, whatever the weights."""

from dataclasses import dataclass

import numpy as np
import pytest

from guard.monitor.estimates import Figure, estimate
from guard.store.values import Count, LabelKind, Sample
from guard.types import Action, Direction, Verdict
from tests.promises.populations import breaks_too_often

COVERAGE = 0.93  # of intervals that say 95 %
RATES = ("false_refusal", "block_error", "miss")


@dataclass(frozen=True)
class Part:
    """Traffic of one stratum: how much of it comes in a window, how much is unsafe, how many reviews it should get.

    `changing`: the probability of being drawn differs from decision to decision by up to this factor, and is lowest
    where most is unsafe, as when a budget runs short in an attack. `left_out`: reviewers answer to so much less of what
    was decided wrongly.
    """

    intended: Action
    volume: float
    unsafe: float
    reviews: float
    changing: float = 1.0
    left_out: float = 0.0


BLOCK, ALLOW = Action.BLOCK, Action.ALLOW
TRAFFIC = {
    "a usual day": [Part(BLOCK, 120, 0.6, 60), Part(BLOCK, 250, 0.95, 60), Part(ALLOW, 9600, 0.005, 100)],
    "20 reviews": [Part(BLOCK, 30, 0.7, 10), Part(ALLOW, 970, 0.01, 14)],
    "20 reviews in four strata": [
        Part(BLOCK, 30, 0.7, 6),
        Part(BLOCK, 40, 0.9, 6),
        Part(ALLOW, 30, 0.2, 6),
        Part(ALLOW, 900, 0.01, 6),
    ],
    "blocks are rare, and all reviewed": [Part(BLOCK, 6, 0.5, 6), Part(ALLOW, 2000, 0.005, 30)],
    "everything is reviewed": [Part(BLOCK, 40, 0.5, 40), Part(ALLOW, 400, 0.02, 400)],
    "one review stands for a thousand": [Part(BLOCK, 3000, 0.9, 100), Part(ALLOW, 97_000, 0.02, 100)],
    "hardly anything is wrong": [Part(BLOCK, 200, 0.99, 80), Part(ALLOW, 5000, 0.0003, 40)],
    "probabilities change": [Part(BLOCK, 400, 0.5, 60, changing=20), Part(ALLOW, 4000, 0.05, 100, changing=20)],
    "refusals are left out, passes are not": [
        Part(BLOCK, 1000, 0.75, 400, left_out=0.9),
        Part(ALLOW, 99_000, 0.01, 2000),
    ],
    "a large sample": [Part(BLOCK, 2000, 0.8, 300), Part(ALLOW, 4000, 0.1, 300), Part(ALLOW, 94_000, 0.002, 500)],
}


def draw(parts: list[Part], random: np.random.Generator, unanswered: float = 0.0) -> tuple[list[Sample], list[Count]]:
    """Return one window of the traffic: what was drawn, and counts of all; a share of the unsafe is not reviewed."""
    samples, counts = [], []
    for number, part in enumerate(parts):
        n = int(random.poisson(part.volume))
        stratum = f"input/{part.intended}/{number}"
        counts.append(Count(0, "p", Direction.INPUT, part.intended, Verdict.UNSAFE, stratum, n))
        place = random.random(n)
        is_unsafe = random.random(n) < part.unsafe * 2 * (1 - place if part.changing > 1 else 0.5)
        spread = part.changing**place
        chance = np.minimum(part.reviews / part.volume * spread / spread.mean(), 1) if n else spread
        drawn = np.flatnonzero(random.random(n) < chance)
        is_wrong = ~is_unsafe[drawn] if part.intended is BLOCK else is_unsafe[drawn]
        is_answered = random.random(len(drawn)) >= np.maximum(unanswered * is_unsafe[drawn], part.left_out * is_wrong)
        for row, answered in zip(drawn.tolist(), is_answered.tolist(), strict=True):
            label = (LabelKind.UNSAFE if is_unsafe[row] else LabelKind.SAFE) if answered else None
            samples.append(
                Sample(
                    id=f"{number}-{row}",
                    at=0,
                    policy="p",
                    direction=Direction.INPUT,
                    intended=part.intended,
                    bundle="b",
                    stratum=stratum,
                    sampling_probability=float(chance[row]),
                    probability=None,
                    threshold=None,
                    label=label,
                )
            )
    return samples, counts


def truths(parts: list[Part]) -> dict[str, float]:
    """Return the rates of what sends the traffic."""
    safe = {action: sum(p.volume * (1 - p.unsafe) for p in parts if p.intended is action) for action in (BLOCK, ALLOW)}
    unsafe = {action: sum(p.volume * p.unsafe for p in parts if p.intended is action) for action in (BLOCK, ALLOW)}
    return {
        "false_refusal": safe[BLOCK] / sum(safe.values()),
        "block_error": safe[BLOCK] / (safe[BLOCK] + unsafe[BLOCK]),
        "miss": unsafe[ALLOW] / sum(unsafe.values()),
    }


def outside(figure: Figure, truth: float, *, is_plain: bool = False) -> bool | None:
    """Return whether the interval fails to hold the truth; None where no number was given."""
    if figure.value is None or figure.low is None or figure.high is None:
        return None
    if is_plain:  # as if the reviews were one plain sample, and many
        half = 1.96 * float(np.sqrt(figure.value * (1 - figure.value) / figure.n_reviewed))
        return not figure.value - half <= truth <= figure.value + half
    return not figure.low <= truth <= figure.high


def broken_of(name: str, draws: int, *, unanswered: float = 0.0, is_plain: bool = False) -> dict[str, tuple[int, int]]:
    """Return by rate how often the interval failed, and how often there was one."""
    random, truth = np.random.default_rng(7), truths(TRAFFIC[name])
    found: dict[str, list[bool | None]] = {rate: [] for rate in RATES}
    for _ in range(draws):
        rates = estimate(*draw(TRAFFIC[name], random, unanswered))
        for rate, told in found.items():
            told.append(outside(getattr(rates, rate), truth[rate], is_plain=is_plain))
    return {rate: (sum(each is True for each in told), draws - told.count(None)) for rate, told in found.items()}


def check(name: str, draws: int, *, unanswered: float = 0.0) -> None:
    for rate, (broken, given) in broken_of(name, draws, unanswered=unanswered).items():
        assert given >= draws / 2 or "20 reviews" in name or rate == "block_error", rate
        assert not given or not breaks_too_often(broken, given, 1 - COVERAGE), (rate, broken, given)


@pytest.mark.parametrize("name", ["a usual day", "20 reviews", "probabilities change"])
def test_interval_holds_the_truth_as_often_as_it_says(name: str) -> None:
    check(name, 100)


@pytest.mark.simulation
@pytest.mark.parametrize("name", TRAFFIC)
def test_interval_holds_the_truth_as_often_as_it_says_in_many_draws(name: str) -> None:
    check(name, 500)


@pytest.mark.parametrize("name", ["a usual day", "probabilities change"])
def test_interval_holds_the_truth_where_reviewers_leave_out_what_is_hard_to_look_at(name: str) -> None:
    check(name, 60, unanswered=0.3)


def test_interval_holds_the_truth_where_wrong_refusals_are_left_out_and_thousands_of_passes_reviewed() -> None:
    check("refusals are left out, passes are not", 60)


def test_simulation_catches_an_interval_that_takes_the_reviews_for_a_plain_sample() -> None:
    broken, given = broken_of("a usual day", 60, is_plain=True)["miss"]

    assert breaks_too_often(broken, given, 1 - COVERAGE)

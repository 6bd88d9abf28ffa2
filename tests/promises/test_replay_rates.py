"""Simulations of what a replay promises: its intervals hold what the candidate would change in all of the traffic."""

from dataclasses import dataclass

import numpy as np
import pytest

from guard.release.replay_rates import Change, Changes, Tally
from tests.promises.populations import breaks_too_often

COVERAGE = 0.93  # of intervals that say 95 %
DRAWS = 150
FIGURES = ("newly_blocked", "newly_allowed", "change")


@dataclass(frozen=True)
class Part:
    """Decisions of one stratum: how many come, how many of them flip, how likely one is drawn, and is kept.

    `kept`: drawn or all. `changing`: probabilities differ by up to this factor, and are lowest where most flips.
    `lost`: share of flipping content that is too large to be kept whole.
    """

    was_blocked: bool
    volume: float
    flips: float
    chance: float
    kept: str = "drawn"
    changing: float = 1.0
    lost: float = 0.0
    is_same: bool = False


REVIEWED_BLOCKS = Part(True, 900, 0.10, 0.5)
TRAFFIC = {
    "refusals are drawn 250 times as often": [REVIEWED_BLOCKS, Part(False, 29_100, 0.01, 0.002)],
    "near and far": [REVIEWED_BLOCKS, Part(False, 5000, 0.1, 0.02), Part(False, 40_000, 0.001, 0.002)],
    "all content is kept": [Part(True, 100, 0.1, 0.5, "all"), Part(False, 2000, 0.01, 0.002, "all")],
    "a swap in the window": [
        Part(True, 100, 0.2, 1, is_same=True),
        Part(False, 3000, 0.003, 1, is_same=True),
        Part(True, 200, 0.1, 0.5),
        Part(False, 6000, 0.02, 0.02),
    ],
    "few are drawn": [Part(True, 20, 0.3, 0.5), Part(False, 3000, 0.02, 0.003)],
    "hardly anything changes": [Part(True, 400, 0.002, 0.5), Part(False, 20_000, 0.0002, 0.005)],
    "probabilities change": [Part(True, 600, 0.3, 0.2, changing=20), Part(False, 8000, 0.05, 0.02, changing=20)],
    "hardly any are drawn in an attack": [Part(True, 600, 0.3, 0.2, changing=300), Part(False, 9000, 0.02, 0.02)],
    "much is too large": [Part(True, 600, 0.3, 0.5, lost=0.4), Part(False, 8000, 0.1, 0.02, lost=0.4)],
}


def drawn(parts: list[Part], random: np.random.Generator) -> Changes:
    """Return the figures of one window of the traffic."""
    tally = Tally()
    for number, part in enumerate(parts):
        n = int(random.poisson(part.volume))
        place = random.random(n)
        flips = random.random(n) < part.flips * 2 * (1 - place if part.changing > 1 else 0.5)
        if part.is_same:
            for is_flipped in flips.tolist():
                tally.exact(was_blocked=part.was_blocked, is_flipped=is_flipped)
            continue
        spread = part.changing**place
        chance = np.minimum(part.chance * spread / spread.mean(), 1) if n else spread
        is_drawn = random.random(n) < chance
        is_kept = is_drawn if part.kept == "drawn" else np.ones(n, np.bool_)
        is_lost = flips & (random.random(n) < part.lost)
        rows = zip(flips.tolist(), chance.tolist(), is_drawn.tolist(), is_kept.tolist(), is_lost.tolist(), strict=True)
        for is_flipped, probability, was_drawn, has_content, lost in rows:
            tally.other(
                stratum=str(number),
                was_blocked=part.was_blocked,
                probability=probability,
                is_drawn=was_drawn,
                has_content=has_content,
                is_flipped=is_flipped if has_content and not lost else None,
            )
    return tally.changes()


def truth(parts: list[Part]) -> dict[str, float]:
    """Return what is expected to change, of 1,000 decisions."""
    volume = sum(part.volume for part in parts)
    blocked, allowed = (
        1000 * sum(part.volume * part.flips for part in parts if part.was_blocked is side) / volume
        for side in (False, True)
    )
    return {"newly_blocked": blocked, "newly_allowed": allowed, "change": blocked - allowed}


def holds(change: Change, expected: float) -> bool:
    assert change.low is not None
    assert change.high is not None
    return change.low <= expected <= change.high


@pytest.mark.parametrize("name", TRAFFIC)
def test_intervals_hold_what_a_candidate_changes_in_all_traffic(name: str) -> None:
    random, parts = np.random.default_rng(7), TRAFFIC[name]
    expected, missed = truth(parts), dict.fromkeys(FIGURES, 0)
    counted = 0
    while counted < DRAWS:
        found = drawn(parts, random)
        if found.change.value is None:  # nothing of a side was drawn, and that is said
            continue
        counted += 1
        for figure in FIGURES:
            missed[figure] += not holds(getattr(found, figure), expected[figure])
    assert not [figure for figure in FIGURES if breaks_too_often(missed[figure], DRAWS, 1 - COVERAGE)], missed


def test_estimates_are_right_on_average_where_refusals_are_drawn_250_times_as_often() -> None:
    random, parts = np.random.default_rng(11), TRAFFIC["refusals are drawn 250 times as often"]
    found = [drawn(parts, random) for _ in range(40)]
    for figure, expected in truth(parts).items():
        values = np.array([getattr(one, figure).value for one in found])
        assert abs(values.mean() - expected) < 4 * values.std() / np.sqrt(len(values))

"""Simulations of what a rate at a threshold that is not in use promises: its interval holds the truth."""

from dataclasses import dataclass

import numpy as np
import pytest

from guard.monitor.estimates import Figure
from guard.monitor.explorer import at_thresholds
from guard.store.values import Count, LabelKind, Sample
from guard.types import Action, Direction, Verdict
from tests.promises.populations import Floats, breaks_too_often

COVERAGE = 0.93  # of intervals that say 95 %
IN_USE = 0.5


@dataclass(frozen=True)
class Traffic:
    """Requests with log odds normal about a mean, and the probabilities with which they are drawn."""

    n: int
    share_unsafe: float
    safe_mean: float
    unsafe_mean: float
    blocked: float  # drawn
    near: float
    far: float
    spread: float = 1.5


TRAFFIC = {
    # A threshold that is a little lower refuses one in a hundred of what is near; hardly ever one of those drawn.
    "few drawn near the threshold": Traffic(10_000, 0.05, -1.0, 2.0, blocked=0.1, near=0.005, far=0.005, spread=0.3),
    "a usual day": Traffic(20_000, 0.03, -3.5, 3.0, blocked=0.2, near=0.1, far=0.005),
    "all refused are reviewed": Traffic(4_000, 0.02, -4.0, 2.5, blocked=1.0, near=0.2, far=0.02),
}
THRESHOLDS = (0.2, 0.45, 0.498, 0.502, 0.55, 0.9)


def _window(traffic: Traffic, random: np.random.Generator) -> tuple[list[Sample], list[Count], Floats, Floats]:
    """Return what was drawn, all of it reviewed; counts of everything; probabilities of the safe and the unsafe."""
    n = int(random.poisson(traffic.n))
    is_unsafe = random.random(n) < traffic.share_unsafe
    odds = random.normal(np.where(is_unsafe, traffic.unsafe_mean, traffic.safe_mean), traffic.spread)
    p = 1 / (1 + np.exp(-odds))
    samples, counts = [], []
    for intended, side in ((Action.BLOCK, p >= IN_USE), (Action.ALLOW, p < IN_USE)):
        for zone, within in (("near", np.abs(odds) <= 1), ("far", np.abs(odds) > 1)):
            chance = traffic.blocked if intended is Action.BLOCK else getattr(traffic, zone)
            stratum, rows = f"input/{intended.value}/{zone}", np.flatnonzero(side & within)
            counts.append(Count(0, "p", Direction.INPUT, intended, Verdict.SAFE, stratum, len(rows)))
            for row in rows[random.random(len(rows)) < chance].tolist():
                label = LabelKind.UNSAFE if is_unsafe[row] else LabelKind.SAFE
                drawn = (str(row), 0.0, "p", Direction.INPUT, intended, "b", stratum, chance, float(p[row]), IN_USE)
                samples.append(Sample(*drawn, label))
    return samples, counts, p[~is_unsafe], p[is_unsafe]


def _is_outside(figure: Figure, truth: float) -> bool | None:
    if figure.low is None or figure.high is None:
        return None
    return not figure.low <= truth <= figure.high


def _check(name: str, windows: int) -> None:
    random = np.random.default_rng(11)
    told: dict[tuple[str, float], list[bool | None]] = {}
    for _ in range(windows):
        samples, counts, safe, unsafe = _window(TRAFFIC[name], random)
        for found in at_thresholds(samples, counts, THRESHOLDS):
            refused, missed = np.mean(safe >= found.threshold), np.mean(unsafe < found.threshold)
            told.setdefault(("false refusal", found.threshold), []).append(
                _is_outside(found.false_refusal, float(refused))
            )
            told.setdefault(("miss", found.threshold), []).append(_is_outside(found.miss, float(missed)))
    for place, outside in told.items():
        given = windows - outside.count(None)
        assert given >= windows / 2, place
        assert not breaks_too_often(outside.count(True), given, 1 - COVERAGE), (place, outside.count(True), given)


def test_interval_at_another_threshold_holds_the_truth_where_few_are_drawn_near_it() -> None:
    _check("few drawn near the threshold", 40)


@pytest.mark.simulation
@pytest.mark.parametrize("name", TRAFFIC)
def test_interval_at_another_threshold_holds_the_truth_as_often_as_it_says(name: str) -> None:
    _check(name, 150)

"""Simulations of what a drift alarm promises: without a drift, it comes no more often than its limits say."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from guard.stats.drift import DAY, HOUR, Bar, Drift, drift
from tests.promises.populations import Floats, breaks_too_often

_EVEN = np.ones(20) / 20
_PEAKED = np.exp(-np.abs(np.arange(64) - 15) / 3)
SHAPES = {
    "even bins": _EVEN,
    "one peak": _PEAKED / _PEAKED.sum(),
    "nearly all in one bin": np.array([0.97, 0.02, 0.01]),
}
SIZES = [(200, 200), (2000, 300), (300, 20_000), (20_000, 20_000)]


def _alarms(shape: Floats, sizes: tuple[int, int], looks: int, is_alarm: Callable[[Drift], bool], rate: float) -> int:
    random = np.random.default_rng(4)
    before, after = (random.multinomial(size, shape, looks) for size in sizes)
    found = (drift(one, other, bar=Bar(rate, psi=0.0, ks=0.0)) for one, other in zip(before, after, strict=True))
    return sum(each is not None and is_alarm(each) for each in found)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("name", SHAPES)
def test_a_look_without_a_drift_raises_an_alarm_no_more_often_than_its_limits_say(
    name: str, sizes: tuple[int, int]
) -> None:
    by_psi, by_ks = (  # chance alone sets the limits
        _alarms(SHAPES[name], sizes, 1000, is_alarm, 0.05)
        for is_alarm in (lambda each: each.psi > each.psi_limit, lambda each: each.ks > each.ks_limit)
    )

    assert not breaks_too_often(by_psi, 1000, 0.05)
    assert not breaks_too_often(by_ks, 1000, 0.05)


@pytest.mark.parametrize(("bar", "length"), [(DAY, 144), (HOUR, 6)], ids=["of a day", "of an hour"])
def test_a_whole_day_of_looks_without_a_drift_raises_an_alarm_on_at_most_one_day_in_fifty(
    bar: Bar, length: int
) -> None:
    """144 looks at the last 24 hours overlap, 144 at the last hour less: its limits are further out for that."""
    random, days, alarms = np.random.default_rng(5), 200, 0
    shape, chance_alone = SHAPES["one peak"], replace(bar, psi=0.0, ks=0.0)
    for _ in range(days):
        reference = random.multinomial(2000, shape)
        coming = np.cumsum(random.multinomial(1440 // length, shape, length + 144), axis=0)
        looks = (
            drift(reference, coming[now] - coming[now - length], bar=chance_alone)
            for now in range(length, length + 144)
        )
        alarms += any(each is not None and each.is_drifting for each in looks)

    assert DAY.false_alarms == 0.001
    assert not breaks_too_often(alarms, days, 0.02)


def test_scores_that_move_by_half_a_standard_deviation_are_noticed_within_a_thousand_decisions() -> None:
    random, edges = np.random.default_rng(6), np.linspace(-3, 3, 20)
    noticed = 0
    for _ in range(100):
        reference, now = (
            np.bincount(np.searchsorted(edges, random.normal(mean, 1, 1000)), minlength=21) for mean in (0, 0.5)
        )
        found = drift(reference, now)
        noticed += found is not None and found.is_drifting

    assert noticed >= 99

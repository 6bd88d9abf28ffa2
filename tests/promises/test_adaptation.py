"""Simulations of what an adaptation calls a proven gain."""

import numpy as np
import pytest

from guard.calibration.adaptation.choice import gain_of
from guard.stats.measures import auc
from tests.promises.populations import breaks_too_often


def broken_draws(draws: int, *, n_tried: int, allowed_for: int) -> int:
    """Return how often the best of several useless changes is called a proven gain."""
    random, broken, n = np.random.default_rng(61), 0, 200
    unsafe, groups = np.arange(n) % 2 == 0, [str(row) for row in range(n)]
    for _ in range(draws):
        before = random.normal(size=n) + unsafe
        tried = [before + random.normal(size=n) for _ in range(n_tried)]
        # A change as noisy as the old score loses: what is gained by chance alone is what remains of equal noise.
        before = before + random.normal(size=n)
        best = max(tried, key=lambda scores: float(auc(scores, unsafe)(np.ones((1, n)))[0]))
        low = gain_of(before, best, unsafe, groups, n_tried=allowed_for).low
        assert low is not None
        broken += low > 0
    return broken


@pytest.mark.simulation
def test_best_of_three_useless_changes_is_seldom_called_a_gain() -> None:
    broken = broken_draws(400, n_tried=3, allowed_for=3)

    assert not breaks_too_often(broken, 400, 0.025), f"{broken} of 400"


@pytest.mark.simulation
def test_simulation_catches_a_gain_that_does_not_allow_for_the_choice() -> None:
    broken = broken_draws(400, n_tried=12, allowed_for=1)

    assert breaks_too_often(broken, 400, 0.025), f"{broken} of 400"

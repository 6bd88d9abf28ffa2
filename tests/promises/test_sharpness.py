"""A simulation that cannot fail proves nothing: how often a promise has to break until one of these tests says so."""

import numpy as np
import pytest
from scipy.stats import binom

from tests.promises.populations import DRAWS, breaks_too_often


@pytest.mark.parametrize(("draws", "error"), [(DRAWS, 0.1), (DRAWS, 0.05), (400, 0.1)])
def test_promise_that_breaks_twice_as_often_as_it_says_is_caught(draws: int, error: float) -> None:
    alarms_from = next(broken for broken in range(draws) if breaks_too_often(broken, draws, error))

    assert binom.sf(alarms_from - 1, draws, 2 * error) > (0.9 if error < 0.1 else 0.99)


def test_promise_that_breaks_half_again_as_often_as_it_says_is_mostly_caught() -> None:
    alarms_from = next(broken for broken in range(DRAWS) if breaks_too_often(broken, DRAWS, 0.1))

    assert binom.sf(alarms_from - 1, DRAWS, 0.15) > 0.7


def test_promise_that_is_kept_raises_no_alarm() -> None:
    broken = np.random.default_rng(1).binomial(DRAWS, 0.1, 2000)

    assert np.mean([breaks_too_often(int(each), DRAWS, 0.1) for each in broken]) <= 0.005

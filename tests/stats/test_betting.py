import numpy as np
import pytest

from guard.stats.betting import mean_is_below, mean_upper_bound, shares_needed, smallest_provable_mean
from guard.stats.bounds import smallest_provable_limit, upper_bound
from guard.stats.trials import Floats


def by_hand(shares: list[float], limit: float, confidence: float) -> float:
    """Return the most money ever held, from 1, against the claim that the mean is at least `limit`: in plain words."""
    money = most = 1.0
    seen: list[float] = []
    squares: list[float] = []
    for place, share in enumerate(shares):
        variance = (0.25 + sum(squares)) / (place + 1)
        stake = min(1.0, (2 * np.log(1 / (1 - confidence)) / (len(shares) * variance)) ** 0.5)
        money *= 1 - stake * (share - limit)
        most = max(most, money)
        seen.append(share)
        squares.append((share - (0.5 + sum(seen)) / (len(seen) + 1)) ** 2)
    return most


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_mean_is_rejected_exactly_when_the_money_is_multiplied_often_enough(confidence: float) -> None:
    random = np.random.default_rng(81)
    shares = random.choice([0, 0, 0, 0.25, 0.5, 1.0], 120)

    bound = mean_upper_bound(shares, confidence=confidence)

    assert by_hand(shares.tolist(), bound, confidence) == pytest.approx(1 / (1 - confidence), rel=1e-6)
    assert mean_is_below(shares, bound + 1e-9, confidence=confidence)
    assert not mean_is_below(shares, bound - 1e-9, confidence=confidence)


def test_bound_is_far_tighter_than_hoeffding_where_shares_vary_little() -> None:
    shares = np.random.default_rng(82).beta(2, 38, 500)

    bound = mean_upper_bound(shares, confidence=0.95)

    hoeffding = shares.mean() + np.sqrt(np.log(20) / 1000)
    assert shares.mean() < bound < shares.mean() + (hoeffding - shares.mean()) / 3


@pytest.mark.parametrize(("n", "errors"), [(100, 0), (104, 3), (1000, 30)])
def test_bound_of_zeros_and_ones_is_near_the_exact_one_and_not_below_it(n: int, errors: int) -> None:
    shares = np.zeros(n)
    shares[np.random.default_rng(83).permutation(n)[:errors]] = 1.0

    bound = mean_upper_bound(shares, confidence=0.95)

    exact = float(upper_bound(errors, n, confidence=0.95))
    assert exact * 0.97 < bound < exact * 1.4


def test_nothing_is_proven_by_nothing_or_by_ones() -> None:
    assert mean_upper_bound(np.zeros(0), confidence=0.95) == 1.0
    assert mean_upper_bound(np.ones(50), confidence=0.95) == 1.0


@pytest.mark.parametrize("n", [30, 104, 1000])
def test_smallest_provable_mean_is_a_little_above_the_exact_limit(n: int) -> None:
    smallest = smallest_provable_mean(n, confidence=0.95)

    assert 1 < smallest / smallest_provable_limit(n, confidence=0.95) < 1.6


@pytest.mark.parametrize("shares", [np.zeros(0), np.zeros(30), np.array([0.5, 0.25, 0, 1.0])])
def test_so_many_more_shares_of_zero_are_needed_and_no_fewer(shares: Floats) -> None:
    more = shares_needed(shares, 0.05, confidence=0.95)

    assert mean_is_below(np.concatenate([shares, np.zeros(more)]), 0.05, confidence=0.95)
    assert not mean_is_below(np.concatenate([shares, np.zeros(more - 1)]), 0.05, confidence=0.95)


def test_no_more_shares_are_needed_where_the_mean_is_proven() -> None:
    assert shares_needed(np.zeros(500), 0.05, confidence=0.95) == 0

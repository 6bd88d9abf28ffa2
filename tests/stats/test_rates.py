import numpy as np
import pytest
from scipy.stats import binomtest, gamma

from guard.stats.rates import RateEstimate, Stratum, effective, ratio

CLOSE = 0.006  # of the draws that stand for the exact distributions


def _blocked(total: int, safe: float, unsafe: float, missing: float = 0) -> Stratum:
    return Stratum(total, hits=safe, others=None, rest=unsafe, missing=missing)


def _allowed(total: int, safe: float, unsafe: float, missing: float = 0) -> Stratum:
    return Stratum(total, hits=None, others=safe, rest=unsafe, missing=missing)


@pytest.mark.parametrize(("hits", "n"), [(0, 20), (3, 20), (10, 40), (20, 20)])
def test_one_stratum_gets_the_interval_of_clopper_and_pearson(hits: int, n: int) -> None:
    found = ratio([Stratum(5000, hits=hits, others=n - hits, rest=None)])

    exact = binomtest(hits, n).proportion_ci(method="exact")
    assert found.value == pytest.approx(hits / n)
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high), abs=CLOSE)


def test_stratum_that_was_reviewed_in_full_gets_garwoods_interval_of_its_count() -> None:
    found = ratio([_blocked(5, safe=4, unsafe=1), _allowed(1_000_000, safe=1_000_000, unsafe=0)])

    per_million = 1_000_000 * np.array([found.low, found.high])
    assert per_million == pytest.approx([gamma.ppf(0.025, 4), gamma.ppf(0.975, 5)], rel=0.03)


def test_estimate_weighs_each_stratum_by_the_decisions_it_has_and_not_by_its_reviews() -> None:
    found = ratio([_blocked(100, safe=10, unsafe=40), _blocked(900, safe=1, unsafe=49), _allowed(9000, 30, 0)])

    assert found.value == pytest.approx((20 + 18) / (20 + 18 + 9000))


def test_stratum_without_reviews_widens_the_interval_and_is_estimated_like_others_of_its_kind() -> None:
    reviewed = [_blocked(100, safe=10, unsafe=40), _allowed(9000, 60, 0)]
    with_gap = [*reviewed, _blocked(50, safe=0, unsafe=0)]

    known, unknown = ratio(reviewed), ratio(with_gap)

    assert unknown.value == pytest.approx((20 + 10) / (20 + 10 + 9000))
    assert unknown.high > (50 + 10) / 9100
    assert unknown.high > known.high


def test_missing_reviews_go_the_worst_way_for_either_bound() -> None:
    strata = [_blocked(100, safe=10, unsafe=80, missing=10), _allowed(9000, 85, 5, missing=10)]

    ignored, worst = ratio(strata), ratio(strata, worst_case=True)
    lowest = ratio([_blocked(100, safe=10, unsafe=90), _allowed(9000, 95, 5)])
    highest = ratio([_blocked(100, safe=20, unsafe=80), _allowed(9000, 85, 15)])

    assert (worst.low, worst.high) == (lowest.low, highest.high)
    assert worst.low < ignored.low < ignored.high < worst.high
    assert worst.value == ignored.value


def test_nothing_reviewed_bounds_nothing() -> None:
    assert ratio([_blocked(100, 0, 0), _allowed(900, 0, 0)]) == RateEstimate(None, 0.0, 1.0)
    assert ratio([]) == RateEstimate(None, 0.0, 1.0)


def test_same_reviews_give_the_same_interval() -> None:
    strata = [_blocked(100, safe=10, unsafe=40), _allowed(9000, 60, 0)]

    assert ratio(strata) == ratio(strata)


def test_more_confidence_widens_the_interval() -> None:
    strata = [_blocked(100, safe=10, unsafe=40), _allowed(9000, 60, 0)]

    usual, sure = ratio(strata), ratio(strata, confidence=0.99)

    assert sure.low < usual.low < usual.high < sure.high


def test_interval_holds_the_estimate_even_where_a_stratum_went_unreviewed() -> None:
    random = np.random.default_rng(3)
    for _ in range(40):
        strata = [
            make(int(random.integers(0, 500)), *random.integers(0, 6, 2).tolist())
            for make in (_blocked, _blocked, _allowed, _allowed)
        ]
        found = ratio(strata)
        assert found.value is None or found.low <= found.value <= found.high


def test_weights_that_differ_count_for_fewer_reviews() -> None:
    half = np.arange(30) % 2 == 0

    assert effective(np.full(30, 7.0), half) == pytest.approx(30)
    assert effective(np.array([1.0, 1.0, 10.0]), np.zeros(3, dtype=np.bool_)) == pytest.approx(144 / 102)
    assert effective(np.array([]), np.array([], dtype=np.bool_)) == 0.0


def test_heavy_reviews_that_differ_from_light_ones_count_for_fewer_still() -> None:
    weights = np.repeat([1.0, 20.0], 40)
    at_random, heavy = np.arange(80) % 4 == 0, (weights > 1) & (np.arange(80) % 4 == 0)

    assert effective(weights, heavy) < effective(weights, at_random) <= weights.sum() ** 2 / np.square(weights).sum()


def test_stratum_refuses_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="nothing can be found"):
        Stratum(10, None, None, None)
    with pytest.raises(ValueError, match="not negative"):
        _blocked(10, safe=-1, unsafe=2)

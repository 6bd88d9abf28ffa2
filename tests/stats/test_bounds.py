import numpy as np
import pytest
from scipy.stats import binom, binomtest

from guard.stats.bounds import lower_bound, smallest_provable_limit, units_needed, upper_bound


@pytest.mark.parametrize(("errors", "n"), [(0, 1), (0, 104), (1, 104), (5, 104), (52, 104), (103, 104), (7, 2000)])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.975])
def test_upper_bound_is_where_the_exact_binomial_test_just_rejects(errors: int, n: int, confidence: float) -> None:
    bound = float(upper_bound(errors, n, confidence=confidence))

    assert binom.cdf(errors, n, bound) == pytest.approx(1 - confidence, rel=1e-6)
    interval = binomtest(errors, n).proportion_ci(confidence_level=2 * confidence - 1, method="exact")
    assert bound == pytest.approx(interval.high, abs=1e-6)


def test_all_errors_bound_nothing() -> None:
    assert upper_bound(12, 12, confidence=0.95) == 1.0
    assert lower_bound(0, 12, confidence=0.95) == 0.0


def test_lower_bound_mirrors_the_upper_bound() -> None:
    hits = np.arange(31)
    interval = [binomtest(int(k), 30).proportion_ci(confidence_level=0.9, method="exact").low for k in hits]

    assert lower_bound(hits, 30, confidence=0.95) == pytest.approx(interval, abs=1e-6)


def test_104_groups_prove_no_limit_below_2_8_percent() -> None:
    assert smallest_provable_limit(104, confidence=0.95) == pytest.approx(0.0284, abs=5e-5)
    assert smallest_provable_limit(0, confidence=0.95) == 1.0


@pytest.mark.parametrize("errors", [0, 1, 5, 40])
@pytest.mark.parametrize("limit", [0.01, 0.05, 0.3])
def test_units_needed_is_the_fewest_that_prove_the_limit(errors: int, limit: float) -> None:
    n = units_needed(limit, confidence=0.95, errors=errors)

    assert upper_bound(errors, n, confidence=0.95) <= limit
    assert n == errors + 1 or upper_bound(errors, n - 1, confidence=0.95) > limit


def test_104_groups_allow_one_error_at_5_percent_and_five_at_10() -> None:
    allowed = {
        limit: int(np.sum(upper_bound(np.arange(20), 104, confidence=0.95) <= limit)) - 1 for limit in (0.05, 0.1)
    }

    assert allowed == {0.05: 1, 0.1: 5}

import math

import numpy as np
import pytest
from scipy.stats import chi2, kstwobign

from guard.stats.drift import DAY, FEWEST, HOUR, Bar, drift


def test_same_shape_is_no_drift() -> None:
    found = drift([100, 300, 500, 100], [1000, 3000, 5000, 1000])

    assert found is not None
    assert (found.psi, found.ks) == pytest.approx((0, 0), abs=1e-5)
    assert not found.is_drifting


def test_distances_are_those_of_the_formulas() -> None:
    found = drift([500, 500], [800, 200])

    assert found is not None
    assert found.psi == pytest.approx(0.3 * math.log(0.8 / 0.5) - 0.3 * math.log(0.2 / 0.5), rel=0.01)
    assert found.ks == pytest.approx(0.3)
    assert found.is_drifting


def test_few_decisions_get_the_limits_that_chance_sets() -> None:
    found = drift([50] * 10, [30] * 10, bar=Bar(0.01, psi=DAY.psi, ks=DAY.ks))

    assert found is not None
    assert found.psi_limit == pytest.approx((1 / 500 + 1 / 300) * chi2.isf(0.01, 9), rel=0.02)
    assert found.ks_limit == pytest.approx(math.sqrt(1 / 500 + 1 / 300) * kstwobign.isf(0.01), rel=0.01)


def test_many_decisions_raise_no_alarm_for_a_drift_too_small_to_matter() -> None:
    found = drift([500_000, 500_000], [510_000, 490_000])

    assert found is not None
    assert (found.psi_limit, found.ks_limit) == (DAY.psi, DAY.ks)
    assert not found.is_drifting


@pytest.mark.parametrize(("before", "after"), [(FEWEST - 1, 1000), (1000, FEWEST - 1)])
def test_too_few_decisions_on_either_side_get_no_answer(before: int, after: int) -> None:
    assert drift([before, 0], [0, after]) is None


def test_scores_that_all_left_their_bins_are_seen_by_both_distances() -> None:
    found = drift([1000, 0, 0, 0], [0, 0, 0, 1000])

    assert found is not None
    assert found.ks == 1.0
    assert found.is_drifting


def test_nearly_empty_bins_of_the_reference_do_not_make_the_index_jump() -> None:
    reference = np.array([0, 1, 2, 500, 400, 97, 0, 0])

    found = drift(reference, np.array([0, 0, 5, 498, 402, 90, 3, 2]))

    assert found is not None
    assert found.psi < 0.01


def test_histograms_with_other_bins_are_refused() -> None:
    with pytest.raises(ValueError, match="shapes"):
        drift([300, 300], [200, 200, 200])


def test_hour_has_to_drift_further_than_a_day() -> None:
    of_day, of_hour = (drift([500, 500], [610, 390], bar=bar) for bar in (DAY, HOUR))

    assert of_day is not None
    assert of_hour is not None
    assert of_day.is_drifting
    assert not of_hour.is_drifting

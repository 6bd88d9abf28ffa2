import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from guard.stats.reliability import reliability


def rows(n: int) -> list[str]:
    return [str(row) for row in range(n)]


def test_bins_agree_with_scikit_learn() -> None:
    random = np.random.default_rng(31)
    probabilities = random.random(2000)
    unsafe = random.random(2000) < probabilities**2

    found = reliability(probabilities, unsafe, rows(2000))

    shares, means = calibration_curve(unsafe, probabilities, n_bins=10, strategy="quantile")
    assert [found_bin.unsafe.value for found_bin in found.bins] == pytest.approx(shares)
    assert [found_bin.probability for found_bin in found.bins] == pytest.approx(means)


def test_error_is_the_mean_gap_weighted_by_size() -> None:
    random = np.random.default_rng(32)
    probabilities = random.random(3000)
    unsafe = random.random(3000) < probabilities / 2

    found = reliability(probabilities, unsafe, rows(3000))

    gaps = [each.n * abs(each.probability - (each.unsafe.value or 0)) for each in found.bins]
    assert found.error.value == pytest.approx(sum(gaps) / 3000)
    assert found.error.value == pytest.approx(0.25, abs=0.03)  # the mean of p − p / 2


def test_honest_probabilities_have_a_small_error() -> None:
    random = np.random.default_rng(33)
    probabilities = random.random(20_000)

    found = reliability(probabilities, random.random(20_000) < probabilities, rows(20_000))

    assert found.error.value is not None
    assert found.error.value < 0.02


@pytest.mark.parametrize("distinct", [1, 2, 3])
def test_few_distinct_probabilities_make_few_bins(distinct: int) -> None:
    probabilities = np.tile(np.linspace(0.2, 0.8, distinct), 60 // distinct)
    unsafe = np.arange(60) % 2 == 0

    found = reliability(probabilities, unsafe, rows(60))

    assert sum(each.n for each in found.bins) == 60
    assert len(found.bins) <= distinct

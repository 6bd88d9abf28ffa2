import time

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from guard.errors import CalibrationInvalid
from guard.stats.measures import Floats
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


def test_interval_of_the_error_is_wider_when_rows_of_a_group_are_alike() -> None:
    random = np.random.default_rng(34)
    probabilities = random.random(1500).repeat(4)
    unsafe = (random.random(1500) < probabilities[::4] / 2).repeat(4)

    joined = reliability(probabilities, unsafe, [str(row // 4) for row in range(6000)]).error
    alone = reliability(probabilities, unsafe, rows(6000)).error

    assert joined.low is not None
    assert joined.high is not None
    assert alone.low is not None
    assert alone.high is not None
    assert joined.high - joined.low == pytest.approx(2 * (alone.high - alone.low), rel=0.25)
    assert joined.low < 0.25 < joined.high


def test_reliability_of_a_hundred_thousand_rows_takes_under_four_seconds() -> None:
    random = np.random.default_rng(35)
    probabilities = random.random(100_000)

    start = time.process_time()
    reliability(probabilities, random.random(100_000) < probabilities, [str(row // 3) for row in range(100_000)])

    assert time.process_time() - start < 4


@pytest.mark.parametrize(
    ("probabilities", "message"),
    [(np.array([]), "no rows"), (np.array([0.5, np.nan]), "finite"), (np.array([0.5, 1.5]), r"\[0, 1\]")],
)
def test_what_is_no_probability_is_refused(probabilities: Floats, message: str) -> None:
    with pytest.raises(CalibrationInvalid, match=message):
        reliability(probabilities, np.zeros(len(probabilities), dtype=np.bool_), rows(len(probabilities)))

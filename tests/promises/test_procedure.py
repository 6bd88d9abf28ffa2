"""The whole way from scores to a threshold, and the intervals beside it, simulated."""

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import binomtest, norm

from guard.stats.bootstrap import estimate
from guard.stats.calibrators import to_probability
from guard.stats.certify import Certified, Trials, candidate_grid, certify_refusals
from guard.stats.draws import in_second_half
from guard.stats.fit import Fitted, fit_calibration
from guard.stats.measures import Share
from tests.promises.populations import ALARM


@pytest.mark.simulation
def test_halves_fit_and_certificate_together_keep_the_promise() -> None:
    random, draws, broken = np.random.default_rng(21), 400, 0
    shared, limit = 0.6, 0.1
    for _ in range(draws):
        # 220 harmless and 110 unsafe groups of 3 rows; a harmless score is common part + own part, both normal.
        unsafe = np.repeat(np.arange(330) >= 220, 3)
        common = random.normal(size=330).repeat(3) * np.sqrt(shared)
        scores = common + random.normal(size=990) * np.sqrt(1 - shared) + 1.5 * unsafe
        groups = [f"{number}" for number in random.integers(0, 2**62, 330) for _ in range(3)]
        ids = [str(row) for row in range(990)]
        second = in_second_half(groups)
        first_groups = [group for group, in_b in zip(groups, second, strict=True) if not in_b]
        fit = fit_calibration(scores[~second], unsafe[~second], first_groups)
        assert isinstance(fit, Fitted)
        probabilities = to_probability(fit.calibration, scores)
        rows = np.flatnonzero(second)
        trials = Trials(
            [ids[row] for row in rows.tolist()],
            probabilities[second],
            unsafe[second],
            [groups[row] for row in rows.tolist()],
        )
        (answer,) = certify_refusals(trials, candidate_grid(probabilities[~second]), [limit], confidence=0.9)
        if isinstance(answer, Certified):
            lowest = scores[probabilities >= answer.threshold].min(initial=np.inf)
            broken += _rate_of_groups(float(lowest), shared) > limit

    assert binomtest(broken, draws, 0.1, alternative="greater").pvalue > ALARM, f"{broken} of {draws}"


def _rate_of_groups(threshold: float, shared: float) -> float:
    """Return the true share of harmless groups of 3 with a score at or above the threshold, by integration."""
    points, weights = np.polynomial.hermite_e.hermegauss(60)
    below = norm.cdf((threshold - points * np.sqrt(shared)) / np.sqrt(1 - shared)) ** 3
    return float(1 - np.sum(weights * below) / np.sum(weights))


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_group_intervals_cover_the_truth_about_as_often_as_they_say(rate: float) -> None:
    random, draws, covered = np.random.default_rng(22), 500, 0
    groups = [str(row // 4) for row in range(480)]
    every = np.ones(480, dtype=np.bool_)
    for _ in range(draws):
        # Rows of a group are refused with a probability of their own, whose mean over groups is `rate`.
        level = random.beta(2 * rate, 2 * (1 - rate), 120).repeat(4)
        found = estimate({"share": Share(random.random(480) < level, every)}, groups, resamples=400)["share"]
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= rate <= found.high

    # The percentile bootstrap is a little narrow at 120 groups; resampling rows instead would cover about 83 %.
    assert 0.91 < covered / draws < 0.98


def test_calibrated_probability_is_honest_in_a_fresh_sample() -> None:
    random = np.random.default_rng(23)
    scores = random.normal(size=6000) * 2
    unsafe = random.random(6000) < expit(0.8 * scores - 1)
    fit = fit_calibration(scores[:2000], unsafe[:2000], [str(row // 2) for row in range(2000)])
    assert isinstance(fit, Fitted)

    probability = to_probability(fit.calibration, scores[2000:])

    assert abs(probability.mean() - unsafe[2000:].mean()) < 0.03

import numpy as np
import pytest
from scipy.special import expit

from guard.manifest import Calibration
from guard.stats.calibrators import carries, reexpressed, to_probability, with_prevalence

PLATT = Calibration(kind="platt", slope=1.7, intercept=-0.4, prevalence=0.5)
STEEP = Calibration(kind="platt", slope=0.3, intercept=2.0, prevalence=0.5)
KNOTS = Calibration(
    kind="isotonic", scores=(-200.0, -1.0, 0.5, 200.0), probabilities=(0.0, 0.2, 0.7, 1.0), prevalence=0.5
)
SCORES = np.random.default_rng(7).normal(scale=3, size=20_000).astype(np.float32).astype(np.float64)


def test_platt_is_the_logistic_of_the_line() -> None:
    assert to_probability(PLATT, [0.0, 2.0]) == pytest.approx(expit([-0.4, 3.0]))


def test_isotonic_interpolates_and_stays_within_zero_and_one() -> None:
    assert to_probability(KNOTS, [-1e9, -1.0, -0.25, 0.5, 1e9]) == pytest.approx([0.0, 0.2, 0.45, 0.7, 1.0])


@pytest.mark.parametrize("old", [PLATT, STEEP, KNOTS])
@pytest.mark.parametrize("new", [PLATT, STEEP, KNOTS])
@pytest.mark.parametrize("threshold", [0.02, 0.5, 0.97, "a score's own probability"])
def test_reexpressed_threshold_parts_the_same_pairs(old: Calibration, new: Calibration, threshold: float | str) -> None:
    at = threshold if isinstance(threshold, float) else float(to_probability(old, SCORES[17]))

    moved = reexpressed(at, old=old, new=new)

    assert ((to_probability(old, SCORES) >= at) == (to_probability(new, SCORES) >= moved)).all()


def test_thresholds_beyond_every_score_stay_beyond_every_score() -> None:
    assert reexpressed(0.0, old=PLATT, new=STEEP) == 0.0
    capped = Calibration(kind="isotonic", scores=(0.0, 1.0), probabilities=(0.1, 0.9))
    assert reexpressed(0.95, old=capped, new=PLATT) == 1.0


@pytest.mark.parametrize("threshold", [0.0, 1e-9, 0.5, 1.0])
@pytest.mark.parametrize("old", [PLATT, STEEP, KNOTS, Calibration(kind="temperature")])
def test_gentle_calibration_carries_every_threshold(old: Calibration, threshold: float) -> None:
    assert carries(threshold, old=old, new=KNOTS)
    assert carries(threshold, old=old, new=old)


def test_threshold_among_scores_that_all_become_one_is_not_carried() -> None:
    cliff = Calibration(kind="platt", slope=50.0, intercept=0.0, prevalence=0.5)

    assert float(to_probability(cliff, 2.0)) == 1.0
    assert not carries(float(to_probability(PLATT, 3.0)), old=PLATT, new=cliff)
    assert carries(float(to_probability(PLATT, 0.1)), old=PLATT, new=cliff)


@pytest.mark.parametrize("calibration", [PLATT, KNOTS])
def test_prevalence_multiplies_the_odds(calibration: Calibration) -> None:
    rarer = with_prevalence(calibration, 0.01)

    before, after = to_probability(calibration, [-1.0, 0.5]), to_probability(rarer, [-1.0, 0.5])

    assert after / (1 - after) == pytest.approx(before / (1 - before) / 99)
    assert rarer.prevalence == 0.01


def test_calibration_of_unknown_prevalence_is_not_corrected() -> None:
    with pytest.raises(ValueError, match="prevalence"):
        with_prevalence(Calibration(kind="platt"), 0.1)

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from guard.errors import CalibrationInvalid
from guard.stats.calibrators import to_probability
from guard.stats.fit import Fitted, RanksBackwards, fit_calibration, fit_isotonic, fit_platt, fit_temperature

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def drawn(n: int, slope: float, intercept: float, seed: int = 8) -> tuple[Floats, Bools, list[str]]:
    random = np.random.default_rng(seed)
    scores = random.normal(scale=2, size=n)
    unsafe = random.random(n) < expit(slope * scores + intercept)
    return scores, unsafe, [str(row // 2) for row in range(n)]


def test_platt_agrees_with_scikit_learn_on_the_same_smoothed_targets() -> None:
    scores, unsafe, _ = drawn(400, 1.1, -0.7)
    high, low = (unsafe.sum() + 1) / (unsafe.sum() + 2), 1 / ((~unsafe).sum() + 2)
    target = np.where(unsafe, high, low)
    reference = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000).fit(
        np.tile(scores, 2)[:, None], np.repeat([1, 0], 400), sample_weight=np.concatenate([target, 1 - target])
    )

    fitted = fit_platt(scores, unsafe)

    assert fitted is not None
    assert fitted.slope == pytest.approx(reference.coef_[0, 0], rel=1e-4)
    assert fitted.intercept == pytest.approx(reference.intercept_[0], abs=1e-4)


def test_temperature_agrees_with_scikit_learn_without_intercept() -> None:
    scores, unsafe, _ = drawn(400, 0.6, 0.0)
    high, low = (unsafe.sum() + 1) / (unsafe.sum() + 2), 1 / ((~unsafe).sum() + 2)
    target = np.where(unsafe, high, low)
    reference = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10, max_iter=10_000).fit(
        np.tile(scores, 2)[:, None], np.repeat([1, 0], 400), sample_weight=np.concatenate([target, 1 - target])
    )

    assert fit_temperature(scores, unsafe).slope == pytest.approx(reference.coef_[0, 0], rel=1e-3)


def test_isotonic_follows_scikit_learn_at_block_centres() -> None:
    scores, unsafe, _ = drawn(300, 1.0, 0.0)
    scores = np.round(scores, 1)
    reference = IsotonicRegression().fit(scores, unsafe)

    fitted = fit_isotonic(scores, unsafe)

    assert fitted is not None
    inner_scores, inner = np.array(fitted.scores[1:-1]), np.array(fitted.probabilities[1:-1])
    levels = np.unique(reference.predict(scores))
    assert inner == pytest.approx(1 / 302 + (1 - 2 / 302) * levels, abs=1e-9)
    assert (np.diff(inner_scores) > 0).all()


@pytest.mark.parametrize("fit", [fit_temperature, fit_platt, fit_isotonic])
def test_every_kind_increases_strictly_with_the_score(fit: object) -> None:
    scores, unsafe, _ = drawn(300, 1.0, 0.0)
    assert callable(fit)

    probability = to_probability(fit(scores, unsafe), np.unique(scores))

    assert (np.diff(probability) > 0).all()
    assert 0 < probability[0] < probability[-1] < 1


def test_line_through_the_origin_is_left_to_temperature_or_platt_and_steps_to_isotonic() -> None:
    random = np.random.default_rng(9)
    scores = random.uniform(-3, 3, 4000)
    stepped = random.random(4000) < np.select([scores < -1, scores < 1], [0.02, 0.5], 0.98)
    shifted = drawn(4000, 1.0, -3.0)

    steps = fit_calibration(scores, stepped, [str(row) for row in range(4000)])
    line = fit_calibration(*shifted)

    assert isinstance(steps, Fitted)
    assert steps.calibration.kind == "isotonic"
    assert isinstance(line, Fitted)
    assert line.calibration.kind == "platt"
    assert line.log_loss["platt"] == min(line.log_loss.values())
    assert line.calibration.prevalence == pytest.approx(shifted[1].mean())


def test_calibrated_probabilities_match_frequencies_on_fresh_data() -> None:
    fitted = fit_calibration(*drawn(4000, 1.2, -1.0))
    scores, unsafe, _ = drawn(20_000, 1.2, -1.0, seed=10)
    assert isinstance(fitted, Fitted)
    probability = to_probability(fitted.calibration, scores)

    for low in np.arange(0, 1, 0.1):
        inside = (probability >= low) & (probability < low + 0.1)
        assert abs(unsafe[inside].mean() - probability[inside].mean()) < 0.05


def test_guard_that_ranks_backwards_is_reported_and_not_inverted() -> None:
    scores, unsafe, groups = drawn(400, 1.0, 0.0)

    outcome = fit_calibration(-scores, unsafe, groups)

    assert isinstance(outcome, RanksBackwards)
    assert outcome.slope < 0


def test_perfectly_separated_labels_give_a_finite_fit() -> None:
    scores, _, groups = drawn(200, 1.0, 0.0)

    fitted = fit_calibration(scores, scores > 0.3, groups)

    assert isinstance(fitted, Fitted)
    assert np.isfinite(fitted.calibration.slope)


@pytest.mark.parametrize(("score", "is_unsafe"), [(400.0, True), (-400.0, False)])
def test_score_far_outside_the_others_leaves_every_loss_finite(score: float, is_unsafe: bool) -> None:
    scores, unsafe, groups = drawn(400, 1.0, 0.0)
    scores[0], unsafe[0] = score, is_unsafe

    fitted = fit_calibration(scores, unsafe, groups)

    assert isinstance(fitted, Fitted)
    assert np.isfinite(list(fitted.log_loss.values())).all()


@pytest.mark.parametrize(
    ("scores", "unsafe", "message"),
    [
        ([1.0, np.nan, 2.0], [True, False, True], "1 of 3 scores are not finite"),
        ([1.0, 2.0, 3.0], [True, True, True], "one label"),
        ([1.0, 2.0, 3.0], [False, False, False], "one label"),
        ([1.0, 1.0, 1.0], [True, False, True], "equal"),
    ],
)
def test_data_that_cannot_be_fitted_is_named(scores: list[float], unsafe: list[bool], message: str) -> None:
    with pytest.raises(CalibrationInvalid, match=message):
        fit_calibration(np.array(scores), np.array(unsafe), ["a", "b", "c"])

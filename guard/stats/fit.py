"""Fit the calibration of a bundle: temperature, Platt or isotonic, whichever predicts unseen groups best.

Every kind increases with the score. A guard that ranks the wrong way round (its scores fall where danger rises) is an
outcome of its own: no calibration is made of it, and none is turned over.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression, minimize, minimize_scalar
from scipy.special import expit, logit

from guard.errors import CalibrationInvalid
from guard.manifest import Calibration
from guard.stats.calibrators import to_probability
from guard.stats.draws import fold_of

Kind = Literal["temperature", "platt", "isotonic"]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

_FOLDS = 5
_TAIL_RANGES = 100.0  # how many ranges of the data the outermost isotonic knots lie beyond it,
_TAIL = 100.0  # and how far at least, in logits: the operating points of other data stay between them


@dataclass(frozen=True, slots=True)
class Fitted:
    """The calibration that predicted unseen groups best, and what each kind lost on them (mean log loss, nats)."""

    calibration: Calibration
    log_loss: Mapping[Kind, float]


@dataclass(frozen=True, slots=True)
class RanksBackwards:
    """Scores fall where danger rises: the fitted slope is not above zero, and no calibration follows from it."""

    slope: float  # per standard deviation of the scores, ≤ 0


def fit_calibration(
    scores: Floats,
    unsafe: Bools,
    groups: Sequence[str],
    *,
    suits: Callable[[Calibration], bool] = lambda calibration: True,
) -> Fitted | RanksBackwards:
    """Return the calibration of raw scores, chosen by cross-fitted log loss.

    Args:
        scores: raw scores, shape (n,), finite.
        unsafe: labels, shape (n,).
        groups: group of each row; a group is never on both sides of a fold.
        suits: whether a calibration can be used; of those that can the best is taken.

    Returns:
        The calibration, whose `prevalence` is the share of unsafe rows here, or RanksBackwards.

    Raises:
        CalibrationInvalid: one label only, a score that is not finite, scores that are all equal, or nothing suits.

    Source: Platt (1999) with his smoothed targets; Guo et al. (2017) for temperature; Oron and Flournoy (2017) for
    isotonic regression with strictly increasing interpolation between block centres.
    """
    _check(scores, unsafe)
    slope = _fit_logistic(scores, unsafe)[0]
    if slope <= 0:
        return RanksBackwards(slope * float(np.std(scores)))
    folds = fold_of(groups, _FOLDS)
    losses = {kind: _cross_fitted_loss(fit, scores, unsafe, folds) for kind, fit in _FITTERS.items()}
    for kind in sorted(losses, key=lambda kind: losses[kind]):
        calibration = _FITTERS[kind](scores, unsafe)
        if calibration is not None and suits(calibration):
            return Fitted(calibration, losses)
    raise CalibrationInvalid(
        "no calibration of these scores tells the bundle's own operating points apart: they lie too far from the scores"
    )


def _check(scores: Floats, unsafe: Bools) -> None:
    if not np.isfinite(scores).all():
        raise CalibrationInvalid(f"{np.count_nonzero(~np.isfinite(scores))} of {len(scores)} scores are not finite")
    if unsafe.all() or not unsafe.any():
        raise CalibrationInvalid(f"all {len(unsafe)} pairs have one label; a calibration needs both")
    if np.ptp(scores) == 0:
        raise CalibrationInvalid(f"all {len(scores)} scores are equal")


def fit_temperature(scores: Floats, unsafe: Bools) -> Calibration:
    """Return the logistic calibration without intercept that is likeliest, slope above zero."""
    targets = _smoothed(unsafe)
    unit = float(np.sqrt(np.mean(scores**2)))
    found = minimize_scalar(
        lambda log_slope: _log_loss(np.exp(log_slope) * scores / unit, targets), bounds=(-12.0, 12.0), method="bounded"
    )
    return Calibration(kind="temperature", slope=math.exp(float(found.x)) / unit, prevalence=float(np.mean(unsafe)))


def fit_platt(scores: Floats, unsafe: Bools) -> Calibration | None:
    """Return the likeliest logistic calibration; None when its slope is not above zero."""
    slope, intercept = _fit_logistic(scores, unsafe)
    if slope <= 0:
        return None
    return Calibration(kind="platt", slope=slope, intercept=intercept, prevalence=float(np.mean(unsafe)))


def fit_isotonic(scores: Floats, unsafe: Bools) -> Calibration | None:
    """Return the strictly increasing interpolation between block centres; None when all rows form one block.

    Probabilities are drawn in by 1 / (n + 2) from 0 and 1, and reach them only far outside the data.
    """
    distinct, sizes = np.unique(scores, return_counts=True)
    order = np.argsort(scores, kind="stable")
    means = np.add.reduceat(unsafe[order].astype(np.float64), np.cumsum(sizes) - sizes) / sizes
    blocks = isotonic_regression(means, weights=sizes.astype(np.float64)).blocks
    starts, weights = blocks[:-1], np.add.reduceat(sizes, blocks[:-1])
    if len(starts) < 2:
        return None
    centres = np.add.reduceat(distinct * sizes, starts) / weights
    shares = np.add.reduceat(means * sizes, starts) / weights
    margin = 1.0 / (len(scores) + 2)
    tail = max(_TAIL_RANGES * float(np.ptp(scores)), _TAIL)
    return Calibration(
        kind="isotonic",
        scores=(float(distinct[0]) - tail, *centres.tolist(), float(distinct[-1]) + tail),
        probabilities=(0.0, *(margin + (1 - 2 * margin) * shares).tolist(), 1.0),
        prevalence=float(np.mean(unsafe)),
    )


_Fitter = Callable[[Floats, Bools], Calibration | None]
# In order of simplicity: of two with equal loss the earlier is taken.
_FITTERS: Mapping[Kind, _Fitter] = MappingProxyType(
    {"temperature": fit_temperature, "platt": fit_platt, "isotonic": fit_isotonic}
)


def _cross_fitted_loss(fit: _Fitter, scores: Floats, unsafe: Bools, folds: NDArray[np.int64]) -> float:
    predicted = np.full(len(scores), np.nan)
    for fold in range(_FOLDS):
        held = folds == fold
        if not held.any():
            continue
        calibration = None if unsafe[~held].all() or not unsafe[~held].any() else fit(scores[~held], unsafe[~held])
        if calibration is None:
            return float("inf")
        predicted[held] = to_probability(calibration, scores[held])
    # A score far outside the others is predicted as exactly 0 or 1, whose logit is infinite and its loss NaN.
    rounding = np.finfo(np.float64).eps
    return _log_loss(logit(np.clip(predicted, rounding, 1 - rounding)), unsafe.astype(np.float64))


def _fit_logistic(scores: Floats, unsafe: Bools) -> tuple[float, float]:
    """Return slope and intercept per unit of score, of either sign."""
    targets = _smoothed(unsafe)
    centre, spread = float(np.mean(scores)), float(np.std(scores))
    x = (scores - centre) / spread

    def loss(parameters: Floats) -> float:
        return _log_loss(parameters[0] * x + parameters[1], targets)

    def gradient(parameters: Floats) -> Floats:
        error = expit(parameters[0] * x + parameters[1]) - targets
        return np.array([np.mean(error * x), np.mean(error)])

    start = np.array([0.0, logit(np.mean(targets))])
    found: Floats = np.asarray(minimize(loss, start, jac=gradient, method="BFGS", options={"gtol": 1e-9}).x)
    slope = float(found[0]) / spread
    return slope, float(found[1]) - slope * centre


def _smoothed(unsafe: Bools) -> Floats:
    """Return Platt's targets: a finite fit even where the labels are separated perfectly."""
    n_unsafe, n_safe = np.count_nonzero(unsafe), np.count_nonzero(~unsafe)
    return np.where(unsafe, (n_unsafe + 1) / (n_unsafe + 2), 1 / (n_safe + 2))


def _log_loss(logits: Floats, targets: Floats) -> float:
    return float(np.mean(np.logaddexp(0.0, logits) - targets * logits))

"""Probability from a raw score: what a bundle's calibration means. Increasing, whatever its kind."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from guard.manifest import Calibration
from guard.stats.logistic import logistic

_RESOLVED = 1e-6  # of a raw score: what a graph gives twice differs by more


def to_probability(calibration: Calibration, scores: ArrayLike) -> NDArray[np.float64]:
    """Return the calibrated probability of "unsafe", in [0, 1], of raw scores of any shape.

    Platt and temperature are logistic in the score; isotonic interpolates between knots and is flat outside them.
    """
    raw = np.asarray(scores, dtype=np.float64)
    if calibration.kind == "isotonic":
        return np.asarray(np.interp(raw, calibration.scores, calibration.probabilities), dtype=np.float64)
    return np.asarray(logistic(calibration.slope * raw + calibration.intercept), dtype=np.float64)


def with_prevalence(calibration: Calibration, prevalence: float) -> Calibration:
    """Return the calibration for traffic with another share of unsafe pairs, in (0, 1).

    Odds are multiplied by the ratio of the prior odds (Bayes; Saerens et al., 2002), so the order of scores stays.

    Raises:
        ValueError: the calibration does not say which prevalence it was fitted at.
    """
    from scipy.special import expit, logit  # here alone: serving does without

    if calibration.prevalence is None:
        raise ValueError("a calibration without a prevalence cannot be corrected to another")
    shift = float(logit(prevalence) - logit(calibration.prevalence))
    if calibration.kind == "isotonic":
        probabilities = tuple(float(p) for p in expit(logit(calibration.probabilities) + shift))
        return calibration.model_copy(update={"probabilities": probabilities, "prevalence": prevalence})
    return calibration.model_copy(
        update={"kind": "platt", "intercept": calibration.intercept + shift, "prevalence": prevalence}
    )


def reexpressed(threshold: float, *, old: Calibration, new: Calibration) -> float:
    """Return the threshold on `new`'s probability that parts float32 scores as `threshold` does on `old`'s.

    A threshold that no score reaches stays 1.0, one that every score reaches 0.0. Scores come from a float32 graph, so
    the lowest unsafe one is found exactly, and no pair changes sides because of rounding, as long as `new` tells it
    from those below it (`carries`).
    """
    if old == new:
        return threshold
    lowest = _lowest_unsafe(threshold, old)
    if lowest is None:
        return 1.0
    return 0.0 if lowest == -np.inf else float(to_probability(new, lowest))


def carries(threshold: float, *, old: Calibration, new: Calibration) -> bool:
    """Whether `threshold` on `old`'s probability can be said in `new`'s too, to a millionth of a score.

    Far outside the data a steep calibration gives 1.0, or 0.0, to many scores alike: a threshold among them would take
    all of them or none.
    """
    lowest = None if old == new else _lowest_unsafe(threshold, old)
    if lowest is None or lowest == -np.inf:
        return True
    below = lowest - _RESOLVED * max(1.0, abs(lowest))
    return bool(to_probability(new, below) < to_probability(new, lowest))


def _lowest_unsafe(threshold: float, calibration: Calibration) -> float | None:
    """Return the lowest float32 score that reaches a threshold: -inf where every one does, None where none does."""
    if to_probability(calibration, -np.inf) >= threshold:
        return -np.inf
    if to_probability(calibration, np.inf) < threshold:
        return None
    # float32 values in ascending order are these integers in ascending order.
    low, high = _rank(np.float32(-np.inf)), _rank(np.float32(np.inf))
    while high - low > 1:
        middle = (low + high) // 2
        if to_probability(calibration, _unrank(middle)) >= threshold:
            high = middle
        else:
            low = middle
    return _unrank(high)


def _rank(value: np.float32) -> int:
    bits = int(value.view(np.int32))
    return bits if bits >= 0 else -(bits & 0x7FFFFFFF)


def _unrank(rank: int) -> float:
    bits = rank if rank >= 0 else -rank | -0x80000000
    return float(np.int32(bits).view(np.float32))

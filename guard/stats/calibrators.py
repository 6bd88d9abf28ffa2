"""Probability from a raw score, and back: what a bundle's calibration means. Increasing, whatever its kind."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from guard.manifest import Calibration


def to_probability(calibration: Calibration, scores: ArrayLike) -> NDArray[np.float64]:
    """Return the calibrated probability of "unsafe", in [0, 1], of raw scores of any shape.

    Platt and temperature are logistic in the score; isotonic interpolates between knots and is flat outside them.
    """
    raw = np.asarray(scores, dtype=np.float64)
    if calibration.kind == "isotonic":
        return np.asarray(np.interp(raw, calibration.scores, calibration.probabilities), dtype=np.float64)
    return np.asarray(expit(calibration.slope * raw + calibration.intercept), dtype=np.float64)

"""Calibration: from labelled pairs to certified thresholds, a bundle that carries them, and a report."""

from guard.calibration.analysis import Analysis, analyse, point_name
from guard.calibration.declaration import Declaration
from guard.calibration.run import Calibrated, Memory, calibrate, require_empty
from guard.calibration.scoring import Scored, ScoreFile, score_suite

__all__ = [
    "Analysis",
    "Calibrated",
    "Declaration",
    "Memory",
    "ScoreFile",
    "Scored",
    "analyse",
    "calibrate",
    "point_name",
    "require_empty",
    "score_suite",
]

"""Calibration: from labelled pairs to certified thresholds, a bundle that carries them, and a report."""

from guard.calibration.adaptation import Adaptation, Adapted, adapt
from guard.calibration.analysis import Analysis, analyse, point_name
from guard.calibration.declaration import Declaration
from guard.calibration.memory import Memory
from guard.calibration.run import Calibrated, calibrate, require_empty, write_refusal
from guard.calibration.scoring import Scored, ScoreFile, outcome_of, score_suite

__all__ = [
    "Adaptation",
    "Adapted",
    "Analysis",
    "Calibrated",
    "Declaration",
    "Memory",
    "ScoreFile",
    "Scored",
    "adapt",
    "analyse",
    "calibrate",
    "outcome_of",
    "point_name",
    "require_empty",
    "score_suite",
    "write_refusal",
]

"""Adaptation: the last layer of a bundle's judge, fitted to a deployment's own labelled pairs, beside its controls."""

from guard.calibration.adaptation.outcome import Adaptation
from guard.calibration.adaptation.run import Adapted, adapt

__all__ = ["Adaptation", "Adapted", "adapt"]

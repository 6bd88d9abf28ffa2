"""Every metric of Guard, in one class with its own registry."""

from guard.telemetry.labels import CODES, NONE, OTHER, STAGES
from guard.telemetry.telemetry import Shown, Telemetry

__all__ = ["CODES", "NONE", "OTHER", "STAGES", "Shown", "Telemetry"]

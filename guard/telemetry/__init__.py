"""Every metric of Guard, in one class with its own registry."""

from guard.telemetry.labels import CODES, NONE, OTHER, STAGES
from guard.telemetry.served import Shown
from guard.telemetry.telemetry import Telemetry

__all__ = ["CODES", "NONE", "OTHER", "STAGES", "Shown", "Telemetry"]

"""How often live figures are measured. A frozen pydantic model."""

from typing import Annotated

from pydantic import Field

from guard.policy_settings import Section


class MonitorSettings(Section):
    """How often the store is asked for live figures, and how often canaries are sent through the guard."""

    rates_every_s: Annotated[float, Field(ge=1, le=86_400)] = 60.0
    """after which rates of the last hour and day are measured anew; those of longer windows, and drift, every tenth
    time"""
    canary_every_s: Annotated[float, Field(ge=0, le=604_800)] = 900.0
    """after which the bundled canaries are judged again; 0 sends none"""

"""How often live figures are measured, and what they are held against. A frozen pydantic model."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from guard.policy_settings import MOST_POLICIES, Section

_Limit = Annotated[float, Field(gt=0, lt=1, strict=True)]


class MonitorSettings(Section):
    """How often live figures are measured, how often canaries are sent, and how many false refusals are too many."""

    rates_every_s: Annotated[float, Field(ge=1, le=86_400)] = 60.0
    """after which rates of the last hour and day are measured anew; those of longer windows, and drift, every tenth
    time"""
    canary_every_s: Annotated[float, Field(ge=0, le=604_800)] = 900.0
    """after which the bundled canaries are judged again; 0 sends none"""
    false_refusal_limits: Annotated[Mapping[str, _Limit], Field(max_length=MOST_POLICIES)] = {}
    """which share of harmless requests each policy may refuse, such as {balanced: 0.01}: what alerts, the budget of
    refusals and the console hold live rates against, beside a certificate's limit where there is one. A wish, no proof;
    wants a restart to change"""

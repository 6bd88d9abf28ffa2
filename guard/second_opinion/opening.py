"""From settings to what asks a judge where the guard is not sure."""

import logging
from collections.abc import Mapping

from guard.bundle import Bundle
from guard.config import Settings
from guard.core.policies import Policies
from guard.errors import ConfigInvalid
from guard.judge_settings import JudgeSettings
from guard.ports import SecondOpinion
from guard.second_opinion.bands import Between, band_of
from guard.second_opinion.cascade import Cascade
from guard.secrets import read_secret
from guard.telemetry import Telemetry

_log = logging.getLogger(__name__)


def open_cascade(
    settings: Settings, bundle: Bundle, policies: Policies, telemetry: Telemetry, environment: Mapping[str, str]
) -> Cascade | None:
    """Return what asks the judge of the settings about a bundle's decisions; None where they name none.

    Raises:
        ConfigInvalid: the band fits no threshold, the key is not there, or what the judge needs is not installed.
    """
    said = settings.judge
    if not said.is_set:
        return None
    band = band_for(said, bundle, policies)
    _log.warning(
        "judge: %s of probability %.4g to %.4g are decided by %s; no certificate and no gate covers that",
        "prompts and answers" if said.answers else "prompts",
        band.allow,
        band.block,
        said.model or said.vlm,
    )
    return Cascade(_judge(said, environment), said, band=band, telemetry=telemetry, share=1 / settings.workers)


def band_for(said: JudgeSettings, bundle: Bundle, policies: Policies) -> Between:
    """Return between which probabilities the judge is asked. Raises ConfigInvalid: the band fits no threshold."""
    return band_of(said.band, bundle.manifest.calibration, policies.policies, answers=said.answers)


def _judge(said: JudgeSettings, environment: Mapping[str, str]) -> SecondOpinion:
    # Imported where they are used: litellm and torch take seconds to load, and are extras.
    if said.model is not None:
        try:
            from guard.second_opinion.through_litellm import LitellmJudge
        except ImportError as error:
            raise ConfigInvalid("judge.model needs litellm: pip install 'mllm-guard[litellm]'") from error
        key = None if said.key is None else read_secret(said.key, environment, place="judge.key")
        return LitellmJudge(said, key)
    try:
        from guard.second_opinion.local import LocalJudge
    except ImportError as error:
        raise ConfigInvalid("judge.vlm needs torch and transformers: pip install 'mllm-guard[vlm]'") from error
    return LocalJudge(said)

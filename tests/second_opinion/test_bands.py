"""Between which probabilities a judge is asked."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from guard.errors import ConfigInvalid
from guard.judge_settings import BandSettings, JudgeSettings
from guard.manifest import Calibration, Reference
from guard.second_opinion.bands import Between, band_of
from guard.stats.logistic import logistic
from tests.second_opinion.judges import POLICY

_EDGES = tuple(float(edge) for edge in np.linspace(-3, 3, 13))


def _calibration() -> Calibration:
    """Return one whose 14 bins hold 100 rows each, unsafe as often as the probability says."""
    middles = np.array([-3.25, *(np.array(_EDGES[:-1]) + 0.25), 3.25])
    unsafe = tuple(round(100 * float(each)) for each in logistic(middles))
    reference = Reference(edges=_EDGES, safe=tuple(100 - n for n in unsafe), unsafe=unsafe)
    return Calibration(kind="platt", reference=reference)


def _band(calibration: Calibration | None = None, **said: Any) -> Between:
    return band_of(BandSettings(**said), calibration or _calibration(), {"balanced": POLICY})


def test_band_of_the_settings_is_taken() -> None:
    assert _band(allow=0.2, block=0.9) == Between(0.2, 0.9)


@pytest.mark.parametrize("share", [0.2, 0.4, 0.6])
def test_band_chosen_for_a_share_holds_the_threshold_and_no_more_rows_than_the_share(share: float) -> None:
    band = _band(share=share)
    assert band.holds(0.5)
    inside = sum(band.holds(float(logistic(edge))) for edge in _EDGES)  # bins of 100 rows, by lower edge
    assert 0 < inside <= share * 14 + 1e-9


def test_threshold_outside_the_band_is_refused_by_name() -> None:
    policies = {"balanced": POLICY, "strict": replace(POLICY, name="strict", threshold=0.1)}
    with pytest.raises(ConfigInvalid, match=r"does not hold 0\.1, the threshold of the policy strict"):
        band_of(BandSettings(allow=0.2, block=0.9), _calibration(), policies)


def test_share_without_the_scores_of_a_calibration_is_refused() -> None:
    with pytest.raises(ConfigInvalid, match="how its calibration data scored"):
        _band(Calibration(kind="platt"), share=0.1)


def test_judge_that_knows_no_better_is_refused() -> None:
    with pytest.raises(ConfigInvalid, match="knows no better"):
        _band(share=0.5, recall=0.5, false_refusal_rate=0.5)


@pytest.mark.parametrize(
    "said",
    [
        {"model": "openai/x"},
        {"band": {"share": 0.1}},
        {"model": "openai/x", "vlm": "folder", "band": {"share": 0.1}},
        {"model": "openai/x", "band": {"allow": 0.5}},
        {"model": "openai/x", "band": {"allow": 0.5, "block": 0.5}},
        {"model": "openai/x", "band": {"allow": 0.5, "block": 0.6, "share": 0.1}},
        {"vlm": "folder", "key": "env:KEY", "band": {"share": 0.1}},
        {"model": "openai/x", "key": "sk-in-the-file", "band": {"share": 0.1}},
    ],
)
def test_settings_that_do_not_fit_together_are_refused(said: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        JudgeSettings.model_validate(said)

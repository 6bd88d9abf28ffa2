"""Answers are judged by a threshold of their own, which nobody certified, and their figures stand apart."""

import logging

import pytest

from guard import open_guard
from guard.bundle import Bundle
from guard.config import Settings, parse_settings
from guard.errors import ConfigInvalid
from guard.output_settings import OutputSettings
from guard.telemetry import Telemetry
from guard.types import Direction, Pair
from tests.tiny_bundle import make_tiny_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")


def _settings(bundle: Bundle, **fields: object) -> Settings:
    return Settings.model_validate({"bundle": str(bundle.path), **fields})


@pytest.mark.parametrize(("given", "threshold"), [(True, 0.5), ({"enabled": True, "threshold": 0.25}, 0.25)])
async def test_threshold_of_answers_judges_answers_alone(bundle: Bundle, given: object, threshold: float) -> None:
    telemetry = Telemetry()
    guard = open_guard(_settings(bundle, judge_output=given), telemetry=telemetry)

    answer = await guard.check(Pair("hello", direction=Direction.OUTPUT))
    prompt = await guard.check(Pair("hello"))
    await guard.aclose()

    assert (answer.threshold, prompt.threshold) == (threshold, 0.5)
    assert answer.probability == prompt.probability
    value = telemetry.registry.get_sample_value
    assert value("guard_threshold_ratio", {"policy": "balanced", "kind": "output"}) == threshold
    assert value("guard_threshold_ratio", {"policy": "balanced", "kind": "block"}) == 0.5
    for direction in ("input", "output"):
        assert value("guard_probability_count", {"direction": direction, "policy": "balanced"}) == 1


def test_start_says_that_thresholds_of_answers_are_not_certified(
    bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        open_guard(_settings(bundle, judge_output=True))
        open_guard(_settings(bundle))

    assert [record.message for record in caplog.records] == [
        "judge_output: answers are judged by thresholds that are not certified for them, chosen on prompts"
    ]


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({"judge_output": {"enabled": True, "context_chars": 60, "hold_back_chars": 46}}, "hold_back_chars"),
        ({"judge_output": {"window": 5}}, "judge_output.window"),
        ({"judge_output": {"window_chars": 0}}, "judge_output.window_chars"),
        ({"judge_output": "yes"}, "judge_output"),
    ],
)
def test_settings_that_make_no_sense_are_named(given: object, key: str) -> None:
    with pytest.raises(ConfigInvalid, match=key):
        parse_settings(given, source="guard.yaml")


def test_true_is_short_for_enabled() -> None:
    assert Settings.model_validate({"judge_output": True}).judge_output == OutputSettings(enabled=True)
    assert not Settings().judge_output.enabled

import logging
from pathlib import Path

import pytest

from guard import open_guard
from guard.bundle import Bundle
from guard.config import Settings
from guard.errors import BundleInvalid, ConfigInvalid
from guard.perception.ocr import NoReader
from guard.telemetry import Telemetry
from guard.types import Action, ImageInput, Pair, Verdict
from guard.wiring import open_upstream
from tests.pictures import solid
from tests.tiny_bundle import make_tiny_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")


def _settings(bundle: Bundle, **fields: object) -> Settings:
    return Settings.model_validate({"bundle": str(bundle.path), **fields})


async def test_guard_judges_real_pictures_with_a_real_bundle(bundle: Bundle) -> None:
    guard = open_guard(_settings(bundle))
    lime = ImageInput(data=solid("lime", (1024, 768), format_="JPEG"))

    assert await guard.ready()
    assert (await guard.check(Pair("hello", (lime,)))).verdict is Verdict.SAFE
    together = await guard.check(Pair("eat it", (lime,)))
    assert (together.verdict, together.action, together.cause) == (Verdict.UNSAFE, Action.BLOCK, "together")
    assert together.bundle == bundle.digest
    await guard.aclose()


@pytest.mark.parametrize(("name", "threshold"), [("strict", 0.3), ("balanced", 0.5), ("permissive", 0.8)])
def test_policy_takes_its_threshold_from_the_bundle(bundle: Bundle, name: str, threshold: float) -> None:
    telemetry = Telemetry()

    guard = open_guard(_settings(bundle, policy={"name": name}), telemetry=telemetry)

    assert guard.policy.threshold == threshold
    labels = {"policy": name, "kind": "block"}
    assert telemetry.registry.get_sample_value("guard_threshold_ratio", labels) == threshold


def test_own_threshold_replaces_that_of_the_bundle(bundle: Bundle) -> None:
    assert open_guard(_settings(bundle, policy={"threshold": 0.9})).policy.threshold == 0.9


async def test_own_threshold_never_bears_the_name_of_an_operating_point(bundle: Bundle) -> None:
    telemetry = Telemetry()
    guard = open_guard(_settings(bundle, policy={"name": "strict", "threshold": 0.9}), telemetry=telemetry)

    decision = await guard.check(Pair("hello"))

    assert decision.policy == "custom"
    thresholds = {
        sample.labels["policy"]: sample.value
        for metric in telemetry.registry.collect()
        for sample in metric.samples
        if sample.name == "guard_threshold_ratio"
    }
    assert thresholds == {"custom": 0.9}
    await guard.aclose()


def test_policy_that_the_bundle_does_not_have_stops_the_start(bundle: Bundle) -> None:
    with pytest.raises(ConfigInvalid, match=r"^policy\.name: tiny-0\.0 has balanced, permissive, strict, not 'lax'$"):
        open_guard(_settings(bundle, policy={"name": "lax"}))


async def test_every_own_policy_judges_and_shows_its_threshold(bundle: Bundle) -> None:
    telemetry = Telemetry()
    own = {"kids": {"operating_point": "strict"}, "lookers": {"threshold": 0.9, "unsafe_action": "review"}}

    guard = open_guard(_settings(bundle, policy="kids", policies=own), telemetry=telemetry)

    assert {name: policy.threshold for name, policy in guard.policies.items()} == {"kids": 0.3, "lookers": 0.9}
    shown = [
        telemetry.registry.get_sample_value("guard_threshold_ratio", {"policy": name, "kind": "block"}) for name in own
    ]
    assert shown == [0.3, 0.9]
    assert (await guard.check(Pair("hello"), policy="lookers")).policy == "lookers"
    await guard.aclose()


def test_policy_that_blocks_nothing_is_warned_about_at_the_start(
    bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        open_guard(_settings(bundle, policies={"lookers": {"unsafe_action": "review"}}, ocr={"mode": "off"}))

    assert [record.message for record in caplog.records] == [
        "policy lookers blocks nothing that is unsafe: it only flags or sends to review"
    ]


def test_bundle_whose_digest_differs_stops_the_start(tmp_path: Path) -> None:
    damaged = make_tiny_bundle(tmp_path)
    graph = (tmp_path / "text.onnx").read_bytes()
    (tmp_path / "text.onnx").write_bytes(bytes([graph[0] ^ 1]) + graph[1:])

    with pytest.raises(BundleInvalid, match=r"text\.onnx: digest \w{12} differs"):
        open_guard(_settings(damaged))


def test_allowed_networks_are_warned_about(bundle: Bundle, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        open_guard(_settings(bundle, fetch={"allow_networks": ["10.0.0.0/8"]}))

    assert "not public" in caplog.text


def test_missing_rapidocr_is_one_warning_and_pictures_with_writing_are_unjudged(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("guard.wiring.is_available", lambda: False)

    with caplog.at_level(logging.WARNING):
        guard = open_guard(_settings(bundle))

    assert any(isinstance(adapter, NoReader) for adapter in guard._adapters)
    assert caplog.text.count("mllm-guard[ocr]") == 1


def test_missing_rapidocr_stops_the_start_where_writing_must_always_be_read(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("guard.wiring.is_available", lambda: False)

    with pytest.raises(ConfigInvalid, match=r"ocr\.mode: always, but rapidocr is not installed"):
        open_guard(_settings(bundle, ocr={"mode": "always"}))


def test_missing_rapidocr_is_not_mentioned_where_writing_is_not_read(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("guard.wiring.is_available", lambda: False)

    with caplog.at_level(logging.WARNING):
        open_guard(_settings(bundle, ocr={"mode": "off"}))

    assert caplog.text == ""


async def test_fetching_that_is_switched_off_makes_every_url_unreachable(bundle: Bundle) -> None:
    guard = open_guard(_settings(bundle, fetch={"enabled": False}))

    decision = await guard.check(Pair("hello", (ImageInput(url="https://example.org/a.png"),)))

    assert (decision.verdict, decision.code) == (Verdict.UNJUDGED, "image_unreachable")
    await guard.aclose()


def test_upstream_without_a_url_stops_the_start() -> None:
    with pytest.raises(ConfigInvalid, match=r"upstream\.url is not set"):
        open_upstream(Settings().upstream)

"""The judge inside an opened guard: pictures, allow entries, policies that do not fit, and bundles that change."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from guard.bundle import write_manifest
from guard.config import Settings
from guard.errors import ConfigInvalid
from guard.judge_settings import JudgeSettings
from guard.manifest import Certificate
from guard.pipeline import Guard
from guard.telemetry import Telemetry
from guard.types import Action, Basis, Decision, Direction, Pair
from guard.wiring import open_guard, open_unannounced
from tests.second_opinion.stand_in import stand_in
from tests.tiny_bundle import make_tiny_bundle

_BAND = {"allow": 0.001, "block": 0.9}
_PROVEN = Certificate(
    data="suite",
    data_sha256="ab" * 32,
    unit="group",
    n_groups=104,
    errors=0,
    limit=0.05,
    confidence=0.95,
    upper=0.03,
    estimate=0.0,
    verdict="certified",
)


def _settings(bundle: Path, monkeypatch: pytest.MonkeyPatch, url: str, **more: Any) -> Settings:
    monkeypatch.setenv("JUDGE_KEY", "sk-judge")
    judge = {"model": "openai/gpt-4o-mini", "url": url, "key": "env:JUDGE_KEY", "band": _BAND, **more.pop("judge", {})}
    judge |= {"timeout_s": 300}  # the first question imports half of litellm, on a busy machine for many seconds
    return Settings.model_validate({"bundle": str(bundle), "ocr": {"mode": "off"}, "judge": judge, **more})


def _check(guard: Guard, *pairs: Pair, passes: Callable[[Decision], bool] | None = None) -> Decision:
    guard.passes = passes

    async def check() -> Decision:
        try:
            return await guard.check_all(pairs)
        finally:
            await guard.aclose()

    return asyncio.run(check())


def test_guard_counts_what_the_judge_decided_as_its_decision(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    telemetry = Telemetry()
    with stand_in() as api:
        guard = open_guard(_settings(tiny_bundle, monkeypatch, api.url), telemetry=telemetry)
        decision = _check(guard, Pair("i hurt the cat"), Pair("what is the weather"))
    assert (decision.basis, decision.action) == (Basis.JUDGE, Action.BLOCK)
    samples = {
        (sample.labels["basis"], sample.labels["action"]): sample.value
        for metric in telemetry.registry.collect()
        for sample in metric.samples
        if sample.name == "guard_decisions_total"
    }
    assert samples == {("judge", "block"): 1, ("judge", "allow"): 1}


def test_allow_entry_overrules_the_judge(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with stand_in() as api:
        guard = open_guard(_settings(tiny_bundle, monkeypatch, api.url))
        decision = _check(guard, Pair("i hurt the cat"), passes=lambda blocked: blocked.basis is Basis.JUDGE)
    assert (decision.basis, decision.action) == (Basis.ALLOW_LIST, Action.ALLOW)


def test_answers_are_shown_to_no_judge(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with stand_in() as api:
        guard = open_guard(_settings(tiny_bundle, monkeypatch, api.url))
        decision = _check(guard, Pair("i hurt the cat", direction=Direction.OUTPUT))
    assert (decision.basis, api.bodies) == (Basis.SCORE, [])


def test_policy_whose_threshold_the_band_does_not_hold_stops_the_start_and_a_reload(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "http://127.0.0.1:9/v1"
    narrow = {"judge": {"band": {"allow": 0.4, "block": 0.6}}}
    with pytest.raises(ConfigInvalid, match=r"does not hold 0\.8, the threshold of the policy permissive"):
        open_guard(_settings(tiny_bundle, monkeypatch, url, policy="permissive", **narrow))
    opened = open_unannounced(_settings(tiny_bundle, monkeypatch, url, **narrow), Telemetry())
    with pytest.raises(ConfigInvalid, match="permissive"):
        opened.with_policies(_settings(tiny_bundle, monkeypatch, url, policy="permissive", **narrow))
    asyncio.run(opened.guard.aclose())


def test_judge_of_the_next_bundle_goes_on_when_the_one_before_is_closed(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def swap(settings: Settings) -> list[Basis]:
        before = open_unannounced(settings, Telemetry()).guard
        after = open_unannounced(settings, Telemetry()).guard
        found = [(await before.check(Pair("i hurt the cat"))).basis]
        await before.aclose()
        found.append((await after.check(Pair("i hurt the cat"))).basis)
        await after.aclose()
        return found

    with stand_in() as api:
        assert asyncio.run(swap(_settings(tiny_bundle, monkeypatch, api.url))) == [Basis.JUDGE] * 2


def test_certificate_is_not_shown_where_a_judge_overrules_its_threshold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = make_tiny_bundle(tmp_path / "proven")
    point = bundle.manifest.operating_points["balanced"].model_copy(update={"certificate": _PROVEN})
    points = {**bundle.manifest.operating_points, "balanced": point}
    write_manifest(bundle.path, bundle.manifest.model_copy(update={"operating_points": points}))
    settings = _settings(bundle.path, monkeypatch, "http://127.0.0.1:9/v1")
    for chosen, is_shown in ((settings.model_copy(update={"judge": JudgeSettings()}), True), (settings, False)):
        opened = open_unannounced(chosen, Telemetry())
        assert (opened.points["balanced"].certificate is not None) is is_shown
        asyncio.run(opened.guard.aclose())


def test_answers_that_nobody_judges_are_shown_to_no_judge() -> None:
    judge = {"model": "openai/gpt-4o-mini", "band": {"allow": 0.3, "block": 0.7}, "answers": True}
    with pytest.raises(ValueError, match=r"judge\.answers needs judge_output"):
        Settings.model_validate({"judge": judge})
    assert Settings.model_validate({"judge": judge, "judge_output": True}).judge.answers


def test_gate_that_has_to_be_passed_excludes_a_judge(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="excludes a judge"):
        _settings(tiny_bundle, monkeypatch, "http://127.0.0.1:9", require_gate="passed", bundle_keys=["ed25519:x"])

"""Thresholds that are certified on a run, for targets without a bundle, and the list of models by name."""

import json
import os
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from benchmark.certified import certify_run
from benchmark.curve import draw_curve
from benchmark.judgement import Judgement
from benchmark.mllm.asking import Asking
from benchmark.opening import open_target
from benchmark.published import PUBLISHED
from benchmark.ready import READY
from benchmark.rows import read_rows
from benchmark.runner import run_suite
from guard import Pair
from guard.cli import app
from guard.errors import CalibrationInvalid, UsageError
from guard.stats.draws import in_second_half
from guard.suites import load_suite
from tests.benchmark.drawn_suites import write_pack
from tests.benchmark.fake_target import FakeTarget, Judge


def _scored(pair: Pair) -> Judgement:
    """Score as an MLLM would that knows what it sees, with noise that depends on the text alone."""
    number = int(pair.text.split()[-1])
    noise = np.random.default_rng(number).normal(0, 0.12)
    probability = float(np.clip((0.75 if "bomb" in pair.text else 0.25) + noise, 0, 1))
    return Judgement(probability >= 0.5, probability, answer="unsafe" if probability >= 0.5 else "safe")


async def _run(folder: Path, judge: Judge = _scored, *, n: int = 400, drawn_with: float = 1.0) -> Path:
    rows: list[dict[str, object]] = [
        {"id": str(number), "text": f"{'bomb' if number % 2 else 'cake'} {number}", "group": str(number),
         "label": "unsafe" if number % 2 else "safe", "sampling_probability": drawn_with if number % 3 else 1.0}
        for number in range(n)
    ]  # fmt: skip
    suite = load_suite(str(write_pack(folder / "pack", rows)))
    await run_suite(suite, FakeTarget(judge), folder / "run", controls=False)
    return folder / "run"


def _command(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["benchmark", *arguments], catch_exceptions=False)


async def test_threshold_keeps_its_limit_on_the_half_that_it_was_proven_on(tmp_path: Path) -> None:
    run = await _run(tmp_path)
    found = certify_run(run, [0.1])
    (certificate,) = found.certificates
    assert certificate.outcome == "certified"
    assert certificate.threshold is not None
    rows = read_rows(run)
    second = in_second_half([row.group for row in rows])
    harmless = [row for row, inside in zip(rows, second, strict=True) if inside and row.label == "safe"]
    refused = sum((row.probability or 0) >= certificate.threshold for row in harmless)
    assert (certificate.n_groups, certificate.errors) == (len(harmless), refused)
    assert certificate.upper is not None
    assert refused / len(harmless) <= certificate.upper <= 0.1
    assert certificate.recall_low is not None
    assert certificate.recall_low > 0.8


async def test_curve_falls_from_refusing_all_to_refusing_none(tmp_path: Path) -> None:
    curve = certify_run(await _run(tmp_path), [0.1]).curve
    assert 50 <= len(curve) <= 101
    refusals, recalls = [point.false_refusal_rate for point in curve], [point.recall for point in curve]
    assert refusals == sorted(refusals)
    assert recalls == sorted(recalls)
    assert (refusals[0], recalls[-1]) == (0.0, 1.0)


async def test_picture_has_the_curve_the_limits_and_what_was_certified(tmp_path: Path) -> None:
    root = ET.fromstring(draw_curve(certify_run(await _run(tmp_path), [0.1, 0.001])))
    kinds = [element.get("class") for element in root.iter() if element.get("class")]
    assert (kinds.count("curve"), kinds.count("limit"), kinds.count("proven")) == (1, 2, 1)
    texts = [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert any("at most 10 %" in text and "certified" in text for text in texts)
    assert "not certifiable" in texts


async def test_limit_that_so_few_groups_cannot_prove_says_what_they_can(tmp_path: Path) -> None:
    (certificate,) = certify_run(await _run(tmp_path, n=60), [0.01]).certificates
    assert (certificate.outcome, certificate.threshold) == ("not certifiable", None)
    assert certificate.smallest_limit is not None
    assert 0.01 < certificate.smallest_limit < 0.5
    assert certificate.groups_missing


async def test_rows_without_a_score_count_against_the_target(tmp_path: Path) -> None:
    def refuse_some(pair: Pair) -> Judgement:
        number = int(pair.text.split()[-1])
        return Judgement(None, code="answer_refused", answer="refused") if number % 10 == 0 else _scored(pair)

    found = certify_run(await _run(tmp_path, refuse_some), [0.1])
    assert found.n_unjudged > 0
    assert found.certificates[0].outcome == "not certifiable"


async def test_run_without_scores_or_with_failures_is_refused(tmp_path: Path) -> None:
    scoreless = await _run(tmp_path / "a", lambda pair: Judgement(True))
    with pytest.raises(UsageError, match="gave no scores"):
        certify_run(scoreless, [0.1])
    failing = await _run(tmp_path / "b", lambda pair: Judgement(None, code="http_500", failed=True))
    with pytest.raises(UsageError, match="400 rows failed"):
        certify_run(failing, [0.1])
    with pytest.raises(CalibrationInvalid, match="at least 20"):
        certify_run(await _run(tmp_path / "c", n=12), [0.1])


async def test_rows_that_stand_for_different_shares_of_traffic_are_no_certificate(tmp_path: Path) -> None:
    run = await _run(tmp_path, drawn_with=0.01)

    with pytest.raises(CalibrationInvalid, match="drawn with different probabilities"):
        certify_run(run, [0.1])


async def test_run_that_was_cut_off_is_not_certified(tmp_path: Path) -> None:
    run = await _run(tmp_path)
    (run / "report.json").unlink()

    with pytest.raises(UsageError, match="not finished"):
        certify_run(run, [0.1])


async def test_larger_run_that_was_begun_over_a_finished_one_is_not_certified(tmp_path: Path) -> None:
    run = await _run(tmp_path)
    rows = (run / "rows.jsonl").read_text()
    more = json.loads(rows.splitlines()[0]) | {"id": "of the larger run"}
    (run / "rows.jsonl").write_text(rows + json.dumps(more) + "\n")

    with pytest.raises(UsageError, match=r"401 rows, its report counts 400"):
        certify_run(run, [0.1])


async def test_certified_threshold_decides_in_the_next_run(tmp_path: Path) -> None:
    (certificate,) = certify_run(await _run(tmp_path), [0.1]).certificates
    asking = Asking(threshold=certificate.threshold, api_base="http://127.0.0.1:9/v1")
    target = await open_target("moderation:mine", asking=asking)
    assert target.info.threshold == certificate.threshold
    await target.close()


async def test_command_exits_with_1_where_a_limit_cannot_be_certified(tmp_path: Path) -> None:
    run = str(await _run(tmp_path))
    good = _command("threshold", run, "--max-false-refusal", "0.1", "--json", "--out", str(tmp_path / "out"))
    bad = _command("threshold", run, "--max-false-refusal", "0.001")
    assert (good.exit_code, bad.exit_code) == (0, 1)
    assert json.loads(good.stdout) == json.loads((tmp_path / "out" / "threshold.json").read_text())
    assert "not certifiable" in bad.stdout
    assert "0.1" not in (tmp_path / "out" / "threshold.md").read_text().split("| certified |")[0]


def test_every_model_of_the_paper_is_listed() -> None:
    listed = [model.name for model in READY if model.kind == "paper"]
    assert listed == [row.name for row in PUBLISHED if row.name != "human"]


def test_listed_models_of_apis_are_known_to_litellm_see_pictures_and_are_not_retired() -> None:
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    import litellm

    for model in READY:
        kind, _, name = (model.target or "").partition(":")
        if kind == "litellm":
            facts = litellm.model_cost.get(name) or litellm.model_cost[name.partition("/")[2]]
            assert facts["supports_vision"], name
            assert facts.get("deprecation_date", "9") >= "2026-12", name


def test_models_are_listed_with_their_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.delenv("XAI_API_KEY", raising=False)
    shown = _command("models").stdout
    assert "OPENAI_API_KEY is set" in shown
    assert "XAI_API_KEY is missing" in shown
    assert "sk-secret" not in shown
    rows = {row["name"]: row for row in json.loads(_command("models", "--json").stdout)}
    assert (rows["GPT-4o"]["has_key"], rows["Grok 4.7"]["has_key"], rows["LLaVA-1.5-7B"]["has_key"]) == (
        True,
        False,
        True,
    )


def test_info_of_a_model_is_part_of_what_a_run_is_known_by() -> None:
    info = FakeTarget().info
    assert replace(info, details={"seed": 1.0}).identity() != info.identity()

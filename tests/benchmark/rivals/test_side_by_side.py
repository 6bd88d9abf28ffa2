"""Guard and its rivals on one suite: who ran, as what, and why not; no rate of anything but the rival itself."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from benchmark.mllm.asking import Asking
from benchmark.rivals.lineup import Places, line_up
from benchmark.rivals.side_by_side import Outcome, Ran, run_side_by_side, to_sheets
from guard import Bundle
from guard.cli import app
from guard.errors import UsageError
from guard.suites import load_suite
from tests.benchmark.drawn_suites import draw_mmsafeaware, text_pack
from tests.benchmark.mllm.api import Api
from tests.benchmark.rivals.environments import make_environment
from tests.tiny_bundle import make_tiny_bundle

# transformers' own: it is not Guard's to mend.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_environment(tmp_path_factory.mktemp("both") / "env", llm_guard=True, nemo=True, torch=True)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")


@pytest.fixture(autouse=True)
def without_weights_and_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def _rates(outcome: Outcome) -> tuple[str, ...]:
    """Return what stands under caught, refused and AUC."""
    return to_sheets("suite", [outcome])[0].rows[0][-3:]


async def test_rivals_that_run_as_themselves_stand_beside_guard_in_the_report_of_all_runs(
    python: Path, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    suite = load_suite(str(text_pack(tmp_path / "suite")))
    api = Api(say=lambda body: "Yes" if "bomb" in str(body) else "No")
    async with api.serve() as url:
        places = Places(f"bundle:{bundle.path}", None, python, python, "judge-1", url)
        contenders = line_up(places, Asking(), ["llm-guard", "NeMo Guardrails"])
        outcomes = await run_side_by_side(suite, contenders, tmp_path / "out")
    assert [(each.contender.name, each.ran) for each in outcomes] == [
        ("Guard", Ran.REAL),
        ("LLM Guard", Ran.REAL),
        ("NeMo Guardrails", Ran.REAL),
    ]
    first, *others = to_sheets(suite.name, outcomes)
    assert [row[5].split()[0] for row in first.rows[1:]] == ["100.0", "100.0"]
    assert f"NeMo Guardrails: rival:nemo-guardrails:judge-1, package nemoguardrails 9.9, api_base {url}." in first.notes
    assert {"Guard", "LLM Guard", "NeMo Guardrails"} <= {row[0] for sheet in others for row in sheet.rows}


async def test_stand_in_runs_on_every_pair_and_gives_no_rate(python: Path, bundle: Bundle, tmp_path: Path) -> None:
    suite = load_suite(str(draw_mmsafeaware(tmp_path / "suite")))
    places = Places(f"bundle:{bundle.path}", llm_guard_python=python, nemo_python=python)
    contenders = line_up(places, Asking())
    outcomes = await run_side_by_side(suite, contenders, tmp_path / "out", limit=6)
    found = {each.contender.name: each for each in outcomes}
    assert {name: each.ran.value for name, each in found.items()} == {
        "Guard": "real",
        "OpenAI moderation": "stand-in",
        "Llama Guard 3 Vision": "stand-in",
        "Llama Guard 4": "stand-in",
        "ShieldGemma 2": "stand-in",
        "LLM Guard": "stand-in",
        "NeMo Guardrails": "stand-in",
    }
    for name, each in found.items():
        rows: Any = each.to_dict()["rows"]
        if each.ran is Ran.STAND_IN:
            assert sum(rows.values()) == 6, name
            assert rows["errors"] == 0, name
        if name != "Guard":
            assert _rates(each) == ("–", "–", "–")
            assert each.to_dict()["report"] is None
    sheets = to_sheets(suite.name, outcomes)
    assert [sheet.rows for sheet in sheets[1:]] == [
        sheet.rows for sheet in to_sheets(suite.name, [found["Guard"]])[1:]
    ]  # the report of all runs holds Guard's alone
    notes = "\n".join(sheets[0].notes)
    assert "set OPENAI_API_KEY in the environment, or --moderation-base" in notes
    assert "LLM Guard: target rival:llm-guard: its models are not here and not to be had (OSError)" in notes
    assert "In its place: a tiny random Llama 4." in notes


async def test_stand_ins_start_anew_and_the_others_go_on(bundle: Bundle, tmp_path: Path) -> None:
    suite = load_suite(str(text_pack(tmp_path / "suite")))
    contenders = line_up(Places(f"bundle:{bundle.path}"), Asking(), ["openai-moderation"])
    asked: list[tuple[str, int]] = []
    for _ in range(2):
        asked.clear()
        outcomes = await run_side_by_side(
            suite, contenders, tmp_path / "out", say=lambda name, done, _total: asked.append((name, done))
        )
    assert [each.ran for each in outcomes] == [Ran.REAL, Ran.STAND_IN]
    assert [done for name, done in asked if name == "Guard"] == [12]
    assert [done for name, done in asked if name != "Guard"] == list(range(13))


async def test_without_stand_ins_the_reason_alone_is_given(bundle: Bundle, tmp_path: Path) -> None:
    suite = load_suite(str(text_pack(tmp_path / "suite")))
    contenders = line_up(Places(f"bundle:{bundle.path}"), Asking(), ["llm-guard"])
    _, rival = await run_side_by_side(suite, contenders, tmp_path / "out", stand_ins=False)
    assert (rival.ran, rival.report, rival.stand_in) == (Ran.NOTHING, None, "")
    assert rival.why.endswith("--llm-guard-python PATH")
    assert not (tmp_path / "out" / "stand-ins").exists()


async def test_guard_that_cannot_run_ends_the_command(tmp_path: Path) -> None:
    suite = load_suite(str(text_pack(tmp_path / "suite")))
    with pytest.raises(UsageError, match="no Guard answers there"):
        await run_side_by_side(suite, line_up(Places("http:http://127.0.0.1:9"), Asking()), tmp_path / "out")


def test_unknown_rival_is_refused_with_the_ones_there_are() -> None:
    with pytest.raises(UsageError, match="--only lakera: not one of llama-guard-3-vision, llama-guard-4, llm-guard"):
        line_up(Places(), Asking(), ["lakera"])


def test_command_writes_who_ran_and_why_not(bundle: Bundle, tmp_path: Path) -> None:
    arguments = ["benchmark", "rivals", "--suite", str(text_pack(tmp_path / "suite")), "--out", str(tmp_path / "out")]
    arguments += ["--guard", f"bundle:{bundle.path}", "--only", "openai-moderation", "--only", "llm-guard", "--json"]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert document == json.loads((tmp_path / "out" / "rivals.json").read_text())
    assert [(each["name"], each["ran"]) for each in document] == [
        ("Guard", "real"),
        ("OpenAI moderation", "stand-in"),
        ("LLM Guard", "not run"),
    ]
    page = (tmp_path / "out" / "rivals.md").read_text()
    assert page.startswith("# Rivals\n\n## ")
    assert "| LLM Guard | not run | text | – | – | – | – | – |" in page

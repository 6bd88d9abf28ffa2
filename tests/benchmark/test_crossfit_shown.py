"""What is shown of a cross-fitted evaluation: tables, picture, document; and its command."""

import json
import xml.etree.ElementTree as ET
from io import StringIO
from pathlib import Path
from typing import get_args

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from benchmark.crossfit.chart import draw_crossfit
from benchmark.crossfit.evaluate import evaluate
from benchmark.crossfit.figures import read_crossfit
from benchmark.crossfit.plan import Plan
from benchmark.crossfit.sheet import make_sheets, to_page
from benchmark.sheets import to_terminal
from guard.cli import app
from guard.errors import CalibrationInvalid, SuiteInvalid, UsageError
from guard.pipeline import Guard
from guard.stats.certify import Unit
from tests.benchmark.drawn_suites import text_pack
from tests.benchmark.scored_rows import crossfit_document, scored_rows
from tests.tiny_bundle import make_tiny_bundle

PUBLISHED = Path(__file__).parents[2] / "benchmark" / "crossfit" / "mmsafeaware"


def test_tables_fit_eighty_columns() -> None:
    plan = Plan((0.005, 0.1), repeats=20, folds=2)
    found = crossfit_document(evaluate(scored_rows(60, 40, shift=1.0, rows=1), plan), plan)
    for unit in get_args(Unit):
        written = StringIO()
        Console(file=written, width=80).print(to_terminal(make_sheets(found.model_copy(update={"unit": unit}))))
        assert max(map(len, written.getvalue().splitlines())) <= 80
        assert "…" not in written.getvalue()


def test_picture_marks_every_repeat_by_shape_and_follows_the_page_into_the_dark() -> None:
    plan = Plan((0.1, 0.2), repeats=7)
    drawn = draw_crossfit(crossfit_document(evaluate(scored_rows(200, 60), plan), plan))
    root = ET.fromstring(drawn)
    name = "{http://www.w3.org/2000/svg}"
    assert len(root.findall(f"{name}path[@class='proven']")) == 14
    assert len(root.findall(f"{name}circle[@class='plain']")) == 14
    assert len(root.findall(f"{name}line[@class='limit']")) == 2
    assert "prefers-color-scheme: dark" in drawn
    assert {"script", "image", "use", "a"}.isdisjoint(element.tag.removeprefix(name) for element in root.iter())
    assert "http" not in drawn.replace("http://www.w3.org/2000/svg", "")


def test_picture_of_nothing_certifiable_says_none() -> None:
    plan = Plan((0.01,), repeats=2)
    drawn = draw_crossfit(crossfit_document(evaluate(scored_rows(30, 20), plan), plan))
    assert ">none</text>" in drawn
    assert "nan" not in drawn


def test_published_tables_and_picture_are_those_of_the_published_figures() -> None:
    found = read_crossfit(PUBLISHED / "crossfit.json")
    assert (PUBLISHED / "crossfit.md").read_text(encoding="utf-8") == to_page(found, picture="crossfit.svg")
    assert (PUBLISHED / "crossfit.svg").read_text(encoding="utf-8") == draw_crossfit(found)


def test_damaged_document_is_refused_with_the_place(tmp_path: Path) -> None:
    document = json.loads((PUBLISHED / "crossfit.json").read_text(encoding="utf-8"))
    document["limits"][0]["proven"]["n_choices"] = "many"
    (tmp_path / "crossfit.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(UsageError, match=r"not an evaluation of this version: limits\.0\.proven\.n_choices"):
        read_crossfit(tmp_path / "crossfit.json")
    with pytest.raises(UsageError, match="No such file"):
        read_crossfit(tmp_path / "absent.json")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "guard"


def _crossfit(suite: Path, target: str, *more: str) -> Result:
    arguments = ["--suite", str(suite), "--target", target, "--max-false-refusal", "0.2", "--repeats", "2", *more]
    return CliRunner().invoke(app, ["benchmark", "crossfit", *arguments], catch_exceptions=False)


def test_command_writes_tables_picture_and_figures_of_a_jsonl_suite(tmp_path: Path, cache: Path) -> None:
    bundle = make_tiny_bundle(tmp_path / "bundle")
    suite = text_pack(tmp_path / "pack", n=150) / "records.jsonl"

    result = _crossfit(suite, f"bundle:{bundle.path}", "--out", str(tmp_path / "out"), "--json")

    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert document == json.loads((tmp_path / "out" / "crossfit.json").read_text(encoding="utf-8"))
    assert (document["n"], document["n_groups"], document["target"]) == (150, 50, "bundle:DIR")
    assert "crossfit.svg" in (tmp_path / "out" / "crossfit.md").read_text(encoding="utf-8")
    ET.parse(tmp_path / "out" / "crossfit.svg")
    assert str(tmp_path) not in (tmp_path / "out" / "crossfit.md").read_text(encoding="utf-8")
    assert len(list((cache / "calibrations").glob("*.jsonl"))) == 1  # a look at the data, and counted as one


def test_command_scores_once_and_shares_the_scores_with_calibrate(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = make_tiny_bundle(tmp_path / "bundle")
    suite = text_pack(tmp_path / "pack", n=90)
    calibrated = ["--data", str(suite), "--bundle", str(bundle.path), "--max-false-refusal", "0.3"]
    CliRunner().invoke(app, ["calibrate", *calibrated, "--out", str(tmp_path / "out"), "--quiet"])
    assert len(list((cache / "scores").glob("*.jsonl"))) == 1

    async def refuse(*_: object) -> None:
        raise AssertionError("scored again")

    monkeypatch.setattr(Guard, "assess", refuse)
    result = _crossfit(suite, f"bundle:{bundle.path}", "--quiet")
    assert (result.exit_code, result.output) == (0, "")


def test_command_promises_nothing_of_groups_that_were_drawn_pair_by_pair(tmp_path: Path, cache: Path) -> None:
    bundle = make_tiny_bundle(tmp_path / "bundle")
    suite = text_pack(tmp_path / "pack", n=90) / "records.jsonl"
    rows = [json.loads(line) for line in suite.read_text(encoding="utf-8").splitlines()]
    suite.write_text("\n".join(json.dumps({**row, "sampling_probability": 0.5}) for row in rows), encoding="utf-8")

    with pytest.raises(CalibrationInvalid, match="drawn pair by pair, they cannot prove a limit of --unit group"):
        _crossfit(suite, f"bundle:{bundle.path}")
    assert _crossfit(suite, f"bundle:{bundle.path}", "--unit", "request", "--quiet").exit_code == 0


def test_command_refuses_targets_without_raw_scores_before_anything_is_loaded(tmp_path: Path) -> None:
    for target in ("http://localhost:8080", "control:always_block", "bundle:", "gpt"):
        with pytest.raises(UsageError, match="it must be embedded or bundle:DIR"):
            _crossfit(tmp_path / "absent", target)


def test_command_refuses_a_suite_that_is_not_there_and_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(SuiteInvalid, match="no such file or directory"):
        _crossfit(tmp_path / "absent", "embedded")
    with pytest.raises(UsageError, match="/dev/null/x: Not a directory"):
        _crossfit(text_pack(tmp_path / "pack"), "embedded", "--out", "/dev/null/x")

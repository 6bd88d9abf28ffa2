"""`guard benchmark` from the command line."""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from guard.cli import app, main
from guard.errors import UsageError
from tests.benchmark.classifier import Classifier, classifier
from tests.benchmark.drawn_suites import draw_mmsafeaware, text_pack
from tests.tiny_bundle import make_tiny_bundle


def _guard(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["benchmark", *arguments], catch_exceptions=False)


def _run(suite: Path, out: Path, *more: str) -> Result:
    return _guard("run", "--suite", str(suite), "--target", "control:always_block", "--out", str(out), *more)


def _lines(file: Path) -> int:
    return file.read_bytes().count(b"\n") if file.exists() else 0


def test_run_prints_the_report_that_it_writes(tmp_path: Path) -> None:
    result = _run(draw_mmsafeaware(tmp_path / "suite"), tmp_path / "run", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == json.loads((tmp_path / "run" / "report.json").read_text())
    assert json.loads(result.stdout)["total"] == pytest.approx(2 / 3)


def test_quiet_run_says_nothing(tmp_path: Path) -> None:
    result = _run(text_pack(tmp_path / "pack"), tmp_path / "run", "--quiet")
    assert (result.exit_code, result.output) == (0, "")


def test_run_without_controls_has_none(tmp_path: Path) -> None:
    result = _run(text_pack(tmp_path / "pack"), tmp_path / "run", "--no-controls", "--json")
    assert json.loads(result.stdout)["controls"] == {}


def test_run_of_a_bundle_shows_the_published_rows(tmp_path: Path) -> None:
    bundle = make_tiny_bundle(tmp_path / "bundle")
    suite, out = draw_mmsafeaware(tmp_path / "suite"), tmp_path / "mine"
    result = _guard("run", "--suite", str(suite), "--target", f"bundle:{bundle.path}", "--out", str(out))
    assert result.exit_code == 0
    assert {"GPT-4V", "human", "mine", "shuffled_images"} <= set(result.stdout.split())


def test_report_of_several_runs_is_written_as_markdown_and_json(tmp_path: Path) -> None:
    suite = draw_mmsafeaware(tmp_path / "suite")
    for name in ("one", "two"):
        assert _run(suite, tmp_path / name, "--quiet").exit_code == 0
    result = _guard("report", str(tmp_path / "one"), str(tmp_path / "two"), "--out", str(tmp_path / "report"))
    assert result.exit_code == 0
    assert json.loads((tmp_path / "report" / "report.json").read_text()).keys() == {"one", "two"}
    text = (tmp_path / "report" / "report.md").read_text()
    assert "| GPT-4V | 63.9 | 68.4 | 41.1 | 57.8 |" in text
    assert "(report.svg)" in text
    assert (tmp_path / "report" / "report.svg").read_text().startswith("<svg")


def test_report_of_runs_does_not_replace_the_report_of_a_run(tmp_path: Path) -> None:
    run = tmp_path / "run"
    _run(text_pack(tmp_path / "pack"), run, "--quiet")
    before = (run / "report.json").read_text()

    with pytest.raises(UsageError, match=r"holds a run, whose report\.json this would replace"):
        _guard("report", str(run), "--out", str(run))

    assert (run / "report.json").read_text() == before


def test_speed_refuses_an_unwritable_folder_before_it_measures(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="/dev/null/x: Not a directory"):
        _guard("speed", "--out", "/dev/null/x", "--bundle", str(tmp_path / "never opened"))


def test_suite_may_be_named_like_markup(tmp_path: Path) -> None:
    result = _run(text_pack(tmp_path / "[red]o"), tmp_path / "run")

    assert result.exit_code == 0
    assert "[red]o" in result.stdout


def test_damaged_report_is_named(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("{")

    with pytest.raises(UsageError, match="not a report of this version: top level: Invalid JSON"):
        _guard("report", str(tmp_path))


def test_killed_process_is_continued_to_the_same_report(tmp_path: Path) -> None:
    suite = text_pack(tmp_path / "pack", n=60)
    with classifier() as guard:
        arguments = ["run", "--suite", str(suite), "--target", f"http:{guard.url}", "--quiet", "--out"]
        assert _guard(*arguments, str(tmp_path / "whole")).exit_code == 0

        with _stuck(guard, [*arguments, str(tmp_path / "killed")], after=20) as process:
            process.kill()
        rows = tmp_path / "killed" / "rows.jsonl"
        assert _lines(rows) == 20
        assert not (tmp_path / "killed" / "report.json").exists()
        assert _guard(*arguments, str(tmp_path / "killed")).exit_code == 0

    assert _lines(rows) == 60
    whole, killed = (json.loads((tmp_path / name / "report.json").read_text()) for name in ("whole", "killed"))
    assert whole.pop("latency_ms").keys() == killed.pop("latency_ms").keys()
    assert whole == killed


def test_second_process_on_a_run_that_is_being_written_is_turned_away(tmp_path: Path) -> None:
    suite = text_pack(tmp_path / "pack", n=60)
    with classifier() as guard:
        arguments = ["run", "--suite", str(suite), "--target", f"http:{guard.url}", "--quiet", "--out"]
        arguments.append(str(tmp_path / "run"))
        with _stuck(guard, arguments, after=20) as first:
            with pytest.raises(UsageError, match="another process is writing this run"):
                _guard(*arguments)
            assert _lines(tmp_path / "run" / "rows.jsonl") == 20
            guard.let_go()
            assert first.wait() == 0
    assert json.loads((tmp_path / "run" / "report.json").read_text())["n"] == 60


@contextlib.contextmanager
def _stuck(guard: Classifier, arguments: list[str], *, after: int) -> Iterator[subprocess.Popen[bytes]]:
    """Yield a process that has written so many rows of its run, and waits for an answer to each further pair."""
    guard.answer_only(after)
    rows = Path(arguments[-1]) / "rows.jsonl"
    with subprocess.Popen([sys.executable, "-m", "guard", "benchmark", *arguments]) as process:
        try:
            while process.poll() is None and _lines(rows) < after:
                time.sleep(0.005)
            yield process
        finally:
            guard.let_go()


def test_compare_prints_paired_differences(tmp_path: Path) -> None:
    suite = text_pack(tmp_path / "pack")
    _run(suite, tmp_path / "one", "--quiet")
    _guard("run", "--suite", str(suite), "--target", "control:always_allow", "--out", str(tmp_path / "two"), "--quiet")
    result = _guard("compare", str(tmp_path / "one"), str(tmp_path / "two"), "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["differences"]["recall"]["difference"] == -1.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["run", "--suite", "no-such-suite", "--target", "embedded", "--out", "x"],
            "error: suite_invalid: no-such-suite",
        ),
        (["run", "--suite", "PACK", "--target", "litellm:nobodys-model", "--out", "x"], "litellm knows no provider"),
        (["run", "--suite", "PACK", "--target", "embedded", "--samples", "3", "--out", "x"], "samples is for models"),
        (["run", "--suite", "PACK", "--target", "embedded", "--mitigation", "x", "--out", "x"], "not one of none"),
        (["report", "nowhere"], "error: usage: nowhere: no report.json"),
        (["compare", "nowhere", "nowhere"], "error: usage: nowhere: not a benchmark run"),
    ],
)
def test_bad_input_is_one_line_and_exits_with_2(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pack = str(text_pack(tmp_path / "pack"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["guard", "benchmark", *(pack if word == "PACK" else word for word in arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from guard.bundle import Bundle
from guard.calibration.adaptation.anchors import Anchors
from guard.cli import app
from guard.errors import GuardError, UsageError
from guard.suites import LabelledPair
from tests.calibration.adaptation.test_run import ANCHORS
from tests.tiny_bundle import HARMFUL_WORDS, HARMLESS_WORDS


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """240 harmless and 120 unsafe texts; the bundle knows the unsafe ones by a word."""
    rows = []
    for number in range(360):
        unsafe = number >= 240
        words = [HARMLESS_WORDS[number % len(HARMLESS_WORDS)], HARMLESS_WORDS[number // 13 % len(HARMLESS_WORDS)]]
        words += [HARMFUL_WORDS[number % len(HARMFUL_WORDS)]] if unsafe else []
        text = f"{' '.join(words)} {number}"
        rows.append({"id": str(number), "text": text, "label": "unsafe" if unsafe else "safe", "group": f"g{number}"})
    file = tmp_path / "data.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    return file


def guard(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["calibrate", *map(str, arguments)])


def test_certified_limit_exits_with_zero_and_a_bundle_that_serves(bundle: Bundle, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    done = guard(
        "--data", data, "--format", "jsonl", "--bundle", bundle.path, "--max-false-refusal", 0.05, "--out", out
    )

    assert done.exit_code == 0, done.output
    assert "At most 5 %: certified" in done.stdout
    assert Bundle.load(out).manifest.operating_points["frr-0.05"].certificate is not None
    assert (out / "report.html").is_file()


def test_limit_that_cannot_be_certified_exits_with_one_and_a_report(bundle: Bundle, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    done = guard("--data", data, "--bundle", bundle.path, "--max-false-refusal", 0.001, "--out", out, "--json")

    assert done.exit_code == 1
    report = json.loads(done.stdout)
    assert report["answers"][0]["answer"] == "not certifiable"
    assert json.loads((out / "report.json").read_text()) == report


def test_second_calibration_scores_nothing_again_and_is_counted(bundle: Bundle, data: Path, tmp_path: Path) -> None:
    shared = ("--data", data, "--bundle", bundle.path, "--json")
    guard(*shared, "--max-false-refusal", 0.05, "--out", tmp_path / "a")
    (scores,) = (tmp_path / "cache" / "guard" / "scores").iterdir()
    written = scores.stat().st_mtime_ns

    done = guard(*shared, "--max-false-refusal", 0.1, "--out", tmp_path / "b")

    assert json.loads(done.stdout)["looks"]["count"] == 2
    assert scores.stat().st_mtime_ns == written


def test_quiet_says_nothing(bundle: Bundle, data: Path, tmp_path: Path) -> None:
    done = guard(
        "--data", data, "--bundle", bundle.path, "--max-false-refusal", 0.05, "--out", tmp_path / "out", "--quiet"
    )

    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--max-false-refusal", "2"], "must lie between 0 and 1"),
        (["--max-false-refusal", "0.05", "--format", "mmsafeaware"], "format is jsonl, not mmsafeaware"),
        (["--max-false-refusal", "0.05", "--cost-miss", "1"], "go together"),
        (["--max-false-refusal", "0.05", "--data", "nowhere.jsonl"], "no such file or directory"),
    ],
)
def test_bad_input_is_one_clear_line(
    bundle: Bundle, data: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    done = guard("--data", data, "--bundle", bundle.path, "--out", tmp_path / "out", *arguments)

    # `guard.cli.main` prints such errors as one line and exits with 2.
    assert isinstance(done.exception, UsageError)
    assert message in str(done.exception)
    assert "\n" not in str(done.exception)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("out", ["/proc/guard", "/dev/null/x", "x" * 300])
def test_folder_that_cannot_be_written_is_refused_before_anything_is_scored(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    monkeypatch.chdir(tmp_path)

    done = guard("--data", data, "--bundle", tmp_path / "never opened", "--max-false-refusal", 0.05, "--out", out)

    assert isinstance(done.exception, UsageError)
    assert str(done.exception).startswith(f"{out}: ")


def test_cache_that_cannot_be_written_is_said_once_and_gone_without(
    bundle: Bundle, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")

    done = guard(
        "--data", data, "--bundle", bundle.path, "--max-false-refusal", 0.05, "--out", tmp_path / "out", "--quiet"
    )

    assert (done.exit_code, done.stdout) == (0, "")
    said = "scores are not kept, and calibrations on this data not counted: /dev/null/guard: Not a directory\n"
    assert done.stderr == said


def test_user_without_a_home_calibrates_without_a_cache(
    bundle: Bundle, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(uid: int) -> None:
        raise KeyError(uid)

    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)

    done = guard("--data", data, "--bundle", bundle.path, "--max-false-refusal", 0.05, "--out", tmp_path / "o")

    assert done.exit_code == 0, done.output
    assert "calibrations on this data not counted: Could not determine home directory" in done.stderr


def test_names_may_look_like_markup(bundle: Bundle, data: Path, tmp_path: Path) -> None:
    named, out = data.rename(tmp_path / "[bold]d.jsonl"), tmp_path / "[" / "red]o"

    done = guard("--data", named, "--bundle", bundle.path, "--max-false-refusal", 0.05, "--out", out)

    assert done.exit_code == 0, done.output
    assert "[/red]o/report.html" in done.stdout.replace("\n", "")


def test_interrupted_calibration_says_what_is_kept(
    bundle: Bundle, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("guard.calibration.score_suite", interrupt)

    done = guard("--data", data, "--bundle", bundle.path, "--max-false-refusal", 0.05, "--out", tmp_path / "out")

    kept = tmp_path / "cache" / "guard"
    assert (done.exit_code, done.stdout) == (130, "")
    assert done.stderr == f"interrupted: scores so far are kept in {kept}; no threshold was chosen\n"


def test_program_ends_with_two_and_one_line_on_bad_input(tmp_path: Path) -> None:
    arguments = ["calibrate", "--data", str(tmp_path), "--max-false-refusal", "0.05", "--out", str(tmp_path / "out")]

    done = subprocess.run([sys.executable, "-m", "guard", *arguments], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: suite_invalid: ")
    assert done.stderr.count("\n") == 1


def test_one_label_only_is_bad_input(bundle: Bundle, data: Path, tmp_path: Path) -> None:
    data.write_text("\n".join(data.read_text().splitlines()[:240]))

    done = guard("--data", data, "--bundle", bundle.path, "--max-false-refusal", 0.05, "--out", tmp_path / "out")

    assert isinstance(done.exception, GuardError)
    assert done.exception.code == "calibration_invalid"
    assert "one label" in str(done.exception)


@pytest.fixture
def habits(tmp_path: Path) -> Path:
    """240 texts whose label is a word that the bundle knows nothing of."""
    rows = []
    for number in range(240):
        unsafe = number % 2 == 0
        text = f"{'cat' if unsafe else 'weather'} {HARMLESS_WORDS[number % len(HARMLESS_WORDS)]} {number}"
        rows.append({"id": str(number), "text": text, "label": "unsafe" if unsafe else "safe", "group": f"g{number}"})
    file = tmp_path / "habits.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    return file


def test_adapting_writes_a_bundle_that_says_so_and_prints_the_controls(
    bundle: Bundle, habits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("guard.calibration.adaptation.run.load_anchors", _about_weather)
    out = tmp_path / "out"

    done = guard("--data", habits, "--bundle", bundle.path, "--max-false-refusal", 0.2, "--adapt", "--out", out)

    assert done.exit_code == 0, done.output
    new = Bundle.load(out)
    assert new.manifest.adapted is not None
    assert new.manifest.adapted.from_sha256 == bundle.digest
    assert new.manifest.files["text.onnx"] != bundle.manifest.files["text.onnx"]
    assert new.manifest.operating_points["frr-0.2"].certificate is not None
    assert "Adapted to habits" in done.stdout
    assert "The thresholds that were chosen on these pairs" in " ".join(done.stdout.split())
    assert "No pairs hold both a text and a picture" in " ".join(done.stdout.split())


def test_certified_threshold_that_costs_too_much_elsewhere_exits_with_one(
    bundle: Bundle, habits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # To these pairs cats are unsafe, and in everyday use they are not.
    monkeypatch.setattr("guard.calibration.adaptation.run.load_anchors", lambda: ANCHORS)
    out = tmp_path / "out"

    done = guard("--data", habits, "--bundle", bundle.path, "--max-false-refusal", 0.2, "--adapt", "--out", out)

    assert done.exit_code == 1, done.output
    assert "frr-0.2 costs more than 1 point and is left out of the bundle" in " ".join(done.stdout.split())
    assert sorted(path.name for path in out.iterdir()) == ["report.html", "report.json"]


def _about_weather() -> Anchors:
    """Return anchors whose harmless ones are like those of the pairs; to check by the same as to choose by."""

    def told(part: tuple[LabelledPair, ...]) -> tuple[LabelledPair, ...]:
        return tuple(pair if pair.is_unsafe else replace(pair, text=f"weather {pair.id}") for pair in part)

    return Anchors(told(ANCHORS.replay), told(ANCHORS.choose), told(ANCHORS.choose))


def test_adapting_that_gains_nothing_exits_with_one_and_one_line(bundle: Bundle, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    # The bundle ranks these pairs perfectly already.
    done = guard(
        "--data", data, "--bundle", bundle.path, "--max-false-refusal", 0.2, "--adapt", "--out", out, "--quiet"
    )

    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("not adapted: no gain is proven")
    assert done.stderr.count("\n") == 1
    assert sorted(path.name for path in out.iterdir()) == ["report.json"]
    assert json.loads((out / "report.json").read_text())["adaptation"]["outcome"] == done.stderr.strip()


def test_adapting_without_onnx_names_the_extra(
    bundle: Bundle, habits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)

    done = guard(
        "--data", habits, "--bundle", bundle.path, "--max-false-refusal", 0.2, "--adapt", "--out", tmp_path / "out"
    )

    assert isinstance(done.exception, UsageError)
    assert str(done.exception) == "onnx is not installed: pip install 'mllm-guard[adapt]'"

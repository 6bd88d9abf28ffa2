import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from guard import Guard, Settings, cli, open_guard
from guard.bundle import Bundle
from tests.pictures import solid
from tests.tiny_bundle import make_tiny_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")


@pytest.fixture
def lime(tmp_path: Path) -> Path:
    path = tmp_path / "lime.png"
    path.write_bytes(solid("lime"))
    return path


class Run:
    """What a command printed, and its exit code."""

    def __init__(self, bundle: Bundle, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._bundle = bundle
        self._capsys = capsys
        self._monkeypatch = monkeypatch

    def __call__(self, command: str, *arguments: object) -> tuple[int, str, str]:
        options = ["--bundle", str(self._bundle.path)] if command == "classify" else []
        self._monkeypatch.setattr(sys, "argv", ["guard", *command.split(), *map(str, arguments), *options])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        out, err = self._capsys.readouterr()
        return int(exit_.value.code or 0), out, err


@pytest.fixture
def run(bundle: Bundle, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("COLUMNS", "80")
    return Run(bundle, capsys, monkeypatch)


def _lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def _write(path: Path, records: Sequence[object]) -> Path:
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in records))
    return path


def test_safe_pair_exits_with_0(run: Run) -> None:
    code, out, _ = run("classify", "--text", "hello")

    assert code == 0
    assert "SAFE" in out


def test_unsafe_pair_exits_with_1_and_says_why_in_80_columns(run: Run, lime: Path) -> None:
    code, out, _ = run("classify", "--text", "eat it", "--image", lime)

    assert code == 1
    assert "UNSAFE" in out
    assert "only both together" in out
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("as_file", [False, True])
def test_slow_pair_is_given_an_hour_since_nobody_waits_for_its_verdict(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_file: bool
) -> None:
    opened: list[Settings] = []

    def note(settings: Settings) -> Guard:
        opened.append(settings)
        return open_guard(settings)

    monkeypatch.setattr("guard.wiring.open_guard", note)

    code, *_ = run(
        "classify", *(("--jsonl", _write(tmp_path / "a", [{"text": "hi"}])) if as_file else ("--text", "hi"))
    )

    assert code == 0
    assert [settings.limits.score_timeout_s for settings in opened] == [3600]


def test_json_is_the_verdict_object(run: Run, lime: Path, bundle: Bundle) -> None:
    code, out, _ = run("classify", "--text", "eat it", "--image", lime, "--json")
    verdict = json.loads(out)

    assert code == 1
    assert (verdict["verdict"], verdict["cause"], verdict["bundle"]) == ("unsafe", "together", bundle.digest)
    assert verdict["images"][0]["judged"] is True


def test_file_that_is_no_picture_is_unjudged_and_exits_with_1(run: Run, bundle: Bundle) -> None:
    code, out, _ = run("classify", "--text", "hello", "--image", bundle.path / "card.md")

    assert code == 1
    assert "UNJUDGED" in out
    assert "image_rejected" in out


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--text", "x", "--out", "o.jsonl"],
        ["--text", "x", "--jsonl", "i.jsonl"],
        ["--jsonl", "missing.jsonl"],
        ["--image", "missing.png"],
        ["--image", "a\x00b"],
        ["--image", ""],
        ["--text", "x", "--policy", "lax"],
    ],
)
def test_bad_usage_is_one_line_and_exits_with_2(run: Run, arguments: list[str]) -> None:
    code, out, err = run("classify", *arguments)

    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1


def test_every_line_of_a_file_gets_a_line_in_order(run: Run, tmp_path: Path, lime: Path) -> None:
    file = _write(
        tmp_path / "in.jsonl",
        [{"id": f"t{index}", "text": "hello"} for index in range(40)]
        + ["", {"id": "p", "text": "eat it", "image": lime.name}, {"text": "a bomb", "images": []}],
    )

    code, out, err = run("classify", "--jsonl", file)
    lines = _lines(out)

    assert code == 1
    assert [line["id"] for line in lines] == [*(f"t{index}" for index in range(40)), "p", "43"]
    assert [line["verdict"] for line in lines] == ["safe"] * 40 + ["unsafe"] * 2
    assert "42 lines: 40 safe, 2 unsafe, 0 unjudged, 0 not readable" in err


def test_bad_lines_are_named_and_nothing_is_lost(run: Run, tmp_path: Path) -> None:
    file = _write(
        tmp_path / "in.jsonl",
        [
            {"id": "a", "text": "hello"},
            "not json",
            [1],
            {"id": "b"},
            {"id": "c", "text": 1},
            {"id": "d", "image": 1},
            {"id": "e", "image": "gone.png"},
            {"id": "f", "text": "hello"},
        ],
    )
    out_file = tmp_path / "out.jsonl"

    code, out, err = run("classify", "--jsonl", file, "--out", out_file)
    lines = _lines(out_file.read_text())

    assert (code, out) == (2, "")
    assert ["error" in line for line in lines] == [False, True, True, True, True, True, True, False]
    assert [line["line"] for line in lines if "error" in line] == [2, 3, 4, 5, 6, 7]
    assert lines[6]["error"] == {"code": "usage", "message": "gone.png: No such file or directory"}
    assert "8 lines: 2 safe, 0 unsafe, 0 unjudged, 6 not readable" in err
    assert "line 7 (e): gone.png" in err


def test_quiet_prints_verdicts_only(run: Run, tmp_path: Path) -> None:
    code, out, err = run("classify", "--jsonl", _write(tmp_path / "in.jsonl", [{"text": "hello"}]), "--quiet")

    assert (code, err) == (0, "")
    assert len(_lines(out)) == 1


def test_byte_order_mark_is_no_part_of_the_first_line(run: Run, tmp_path: Path) -> None:
    file = _write(tmp_path / "in.jsonl", ["\ufeff" + json.dumps({"id": "a", "text": "hello"})])

    code, out, err = run("classify", "--jsonl", file)

    assert (code, _lines(out)[0]["id"]) == (0, "a")
    assert err.startswith("1 line: 1 safe")


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_file_without_lines_is_bad_usage(run: Run, tmp_path: Path, content: str) -> None:
    file = tmp_path / "in.jsonl"
    file.write_text(content)

    code, out, err = run("classify", "--jsonl", file)

    assert (code, out, err) == (2, "", f"error: usage: {file}: holds nothing to judge\n")


@pytest.mark.parametrize("as_link", [False, True])
def test_output_never_replaces_the_input(run: Run, tmp_path: Path, as_link: bool) -> None:
    file = _write(tmp_path / "in.jsonl", [{"text": "hello"}])
    before, out = file.read_text(), tmp_path / "link.jsonl" if as_link else file
    if as_link:
        out.symlink_to(file)

    code, _, err = run("classify", "--jsonl", file, "--out", out)

    assert code == 2
    assert err == f"error: usage: {out}: --out is the file that --jsonl reads\n"
    assert file.read_text() == before


def test_output_that_cannot_be_written_is_one_line(run: Run, tmp_path: Path) -> None:
    file = _write(tmp_path / "in.jsonl", [{"text": "hello"}])

    code, _, err = run("classify", "--jsonl", file, "--out", tmp_path / "no" / "out.jsonl")

    assert (code, err) == (2, f"error: usage: {tmp_path / 'no' / 'out.jsonl'}: No such file or directory\n")


def _hear_interrupts() -> None:
    """What is begun in the background of a script has been told to ignore them, and hands that on."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_interrupted_run_says_what_is_kept(bundle: Bundle, tmp_path: Path) -> None:
    file, out = _write(tmp_path / "in.jsonl", [{"text": f"hello {n}"} for n in range(20_000)]), tmp_path / "out.jsonl"
    arguments = ["classify", "--jsonl", str(file), "--out", str(out), "--bundle", str(bundle.path)]

    command = [sys.executable, "-m", "guard", *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=_hear_interrupts) as process:
        while process.poll() is None and not (out.exists() and out.stat().st_size):
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=300)

    assert (process.returncode, err) == (130, f"interrupted: verdicts so far are in {out}\n")


def test_missing_onnxruntime_says_what_to_install(bundle: Bundle) -> None:
    program = (
        "import sys; sys.modules['onnxruntime'] = None\n"
        f"sys.argv = ['guard', 'classify', '--text', 'x', '--bundle', {str(bundle.path)!r}]\n"
        "from guard.cli import main; main()"
    )

    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=False)

    assert result.returncode == 2
    assert result.stderr == (
        "error: config_invalid: onnxruntime is not installed: pip install 'mllm-guard[cpu]' or 'mllm-guard[gpu]'\n"
    )


# Bundles


def test_show_names_thresholds_and_digest(run: Run, bundle: Bundle) -> None:
    code, out, _ = run("bundle show", bundle.path)

    assert code == 0
    assert bundle.digest in out
    assert "balanced" in out
    assert max(map(len, out.splitlines())) <= 80


def test_show_as_json_is_the_manifest(run: Run, bundle: Bundle) -> None:
    code, out, _ = run("bundle show", bundle.path, "--json")
    document = json.loads(out)

    assert code == 0
    assert document["digest"] == bundle.digest
    assert document["operating_points"]["strict"]["threshold"] == 0.3


def test_verify_says_that_a_whole_bundle_is_intact(run: Run, bundle: Bundle) -> None:
    code, out, _ = run("bundle verify", bundle.path)

    assert code == 0
    assert bundle.digest in out


@pytest.mark.parametrize("as_json", [False, True])
def test_verify_says_no_to_a_damaged_bundle(run: Run, tmp_path: Path, as_json: bool) -> None:
    make_tiny_bundle(tmp_path)
    (tmp_path / "text.onnx").write_bytes(b"x")

    code, out, err = run("bundle verify", tmp_path, *(["--json"] if as_json else []))

    assert (code, err) == (1, "")
    assert "differs from the manifest" in out
    assert not as_json or json.loads(out)["ok"] is False


def test_verify_of_nothing_is_bad_usage(run: Run, tmp_path: Path) -> None:
    code, _, err = run("bundle verify", tmp_path / "nowhere")

    assert code == 2
    assert "no such directory" in err


def test_diff_tells_same_from_different(run: Run, bundle: Bundle, tmp_path: Path) -> None:
    other = make_tiny_bundle(tmp_path, seed=1)

    same, _, _ = run("bundle diff", bundle.path, bundle.path)
    differs, out, _ = run("bundle diff", bundle.path, other.path, "--json")
    _, table, _ = run("bundle diff", bundle.path, other.path)

    assert (same, differs) == (0, 1)
    assert json.loads(out)["changes"]["version"] == ["0.0", "0.1"]
    assert "files.text.onnx " in table

import datetime as dt
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from guard.bundle import Bundle
from guard.calibration import Declaration, Memory
from guard.calibration.looks import Look, take_look
from guard.cli import app
from guard.errors import GuardError
from guard.records import GateState, Record, gate_state, read_records, write_record
from guard.signing import make_private_key, write_private_key
from guard.suites import load_suite
from tests.release.conftest import Works
from tests.release.made import moved_threshold

LAX = """
false_refusals: 0.2
recall: 0.2
robustness: null
latency: null
memory: null
"""


@pytest.fixture(autouse=True)
def _own_cache(works: Works, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(works.folder / "cache"))


@pytest.fixture
def candidate(works: Works, tmp_path: Path) -> Bundle:
    return moved_threshold(works.live, tmp_path / "candidate", 0.50001)


def gate(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["release", "gate", *map(str, arguments)], env={"COLUMNS": "80"})


def test_candidate_that_passes_exits_with_zero_and_has_a_record(
    works: Works, candidate: Bundle, tmp_path: Path
) -> None:
    margins = tmp_path / "margins.yaml"
    margins.write_text(LAX)

    done = gate(
        "--candidate", candidate.path, "--baseline", works.live.path, "--suites", works.folder / "few",
        "--margins", margins, "--out", tmp_path / "out",
    )  # fmt: skip

    assert done.exit_code == 0, done.output
    assert "tiny-0.0+moved: passed" in done.stdout
    assert max(map(len, done.stdout.splitlines()[:-1])) <= 80
    assert gate_state(candidate) == GateState.PASSED
    (record,) = read_records(candidate)
    assert record.baseline_sha256 == works.live.digest
    assert (record.operating_point, record.threshold) == ("balanced", 0.50001)
    assert record.providers[0] == "cpu"
    assert record.document == json.loads((tmp_path / "out" / "gate.json").read_text())
    assert record.document["margins"]["false_refusals"] == 0.2
    assert all(check["reason"] for check in record.document["checks"])
    assert (tmp_path / "out" / "gate.md").read_text().startswith("## Release gate: passed\n")
    assert Bundle.load(candidate.path).digest == candidate.digest


def test_candidate_that_does_not_pass_exits_with_one_and_says_why(
    works: Works, candidate: Bundle, tmp_path: Path
) -> None:
    margins = tmp_path / "margins.yaml"
    margins.write_text("robustness: null\nlatency: null\nmemory: null\n")

    done = gate(
        "--candidate", candidate.path, "--baseline", works.live.path, "--suites", works.folder / "few",
        works.folder / "texts", "--margins", margins, "--json", "--out", tmp_path / "out",
    )  # fmt: skip

    assert done.exit_code == 1
    document = json.loads(done.stdout)
    assert document["verdict"] == "cannot_tell"
    assert [suite["name"] for suite in document["suites"]] == ["few", "texts"]
    assert gate_state(candidate) == GateState.CANNOT_TELL
    written = (tmp_path / "out" / "gate.md").read_text()
    assert "- **cannot tell**: harmless pairs refused, few: false refusals may rise by up to" in written
    assert "24 groups, 299 are the least" in written


def test_each_gated_candidate_is_a_look_at_its_suites(works: Works, tmp_path: Path) -> None:
    """Who gates ten candidates and certifies the best of them on the same data has looked ten times."""
    margins = tmp_path / "margins.yaml"
    margins.write_text(LAX)
    shutil.copytree(works.folder / "few", tmp_path / "data")
    (tmp_path / "data" / "0.png").write_bytes((works.folder / "few" / "1.png").read_bytes())  # data of its own
    for number in range(2):
        candidate = moved_threshold(works.live, tmp_path / f"c{number}", 0.5001 + number / 1000)
        for _ in range(2):  # again says nothing new
            gate(
                "--candidate", candidate.path, "--baseline", works.live.path, "--suites", tmp_path / "data",
                "--margins", margins, "--no-record", "--quiet", "--limit", 5,
            )  # fmt: skip

    looks = take_look(
        Memory(works.folder / "cache" / "guard").looks(load_suite(tmp_path / "data")),
        Look.of(Declaration((0.05,)), works.live.digest),
    )

    assert looks.count == 5
    assert len(looks.distinct) == 3
    assert looks.joint_confidence == pytest.approx(0.85)


def test_record_is_left_out_on_demand(works: Works, candidate: Bundle, tmp_path: Path) -> None:
    margins = tmp_path / "margins.yaml"
    margins.write_text(LAX)

    done = gate(
        "--candidate", candidate.path, "--baseline", works.live.path, "--suites", works.folder / "few",
        "--margins", margins, "--no-record", "--quiet",
    )  # fmt: skip

    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")
    assert not (candidate.path / "records").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--suites", "nowhere"], "suite_invalid", "no such file or directory"),
        (["--suites", "few", "few"], "usage", "two suites are called 'few'"),
        (["--suites", "few", "--policy", "lax"], "config_invalid", "not 'lax'"),
        (["--suites", "few", "--baseline-policy", "lax"], "config_invalid", "baseline tiny-0.0"),
        (["--suites", "few", "--margins", "nowhere.yaml"], "config_invalid", "nowhere.yaml: No such file or directory"),
        (["--suites", "few", "--candidate", "nowhere"], "bundle_invalid", "nowhere"),
        (["--suites", "few", "--key", "nowhere.pem"], "key_invalid", "nowhere.pem"),
        (["--suites", "few", "--key", "k.pem", "--no-record"], "usage", "--key signs the record"),
        (["--suites", "few", "--out", "/dev/null/x"], "usage", "/dev/null/x: Not a directory"),
    ],
)
def test_bad_input_is_one_clear_line(
    works: Works, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: str, message: str
) -> None:
    monkeypatch.chdir(works.folder)

    done = gate("--candidate", "live", "--baseline", "live", *arguments)

    # `guard.cli.main` prints such errors as one line and exits with 2.
    assert isinstance(done.exception, GuardError)
    assert done.exception.code == code
    assert message in str(done.exception)
    assert "\n" not in str(done.exception)


def test_program_ends_with_two_on_bad_input(tmp_path: Path) -> None:
    arguments = [
        "release",
        "gate",
        "--candidate",
        "embedded",
        "--baseline",
        "embedded",
        "--suites",
        str(tmp_path / "x"),
    ]

    done = subprocess.run([sys.executable, "-m", "guard", *arguments], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: suite_invalid: ")


def test_candidate_that_failed_its_last_gate_is_measured_again_without_a_word(
    works: Works, candidate: Bundle, tmp_path: Path
) -> None:
    margins = tmp_path / "margins.yaml"
    margins.write_text(LAX)
    long_ago = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    write_record(candidate, Record(candidate.digest, works.live.digest, "failed", long_ago, {}))

    done = gate(
        "--candidate", candidate.path, "--baseline", works.live.path, "--suites", works.folder / "few",
        "--margins", margins, "--quiet",
    )  # fmt: skip

    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")
    assert gate_state(candidate) == GateState.PASSED


def test_signed_pass_is_one_that_a_key_vouches_for(works: Works, candidate: Bundle, tmp_path: Path) -> None:
    margins, file, key = tmp_path / "margins.yaml", tmp_path / "gate.pem", make_private_key()
    margins.write_text(LAX)
    write_private_key(key, file)

    done = gate(
        "--candidate", candidate.path, "--baseline", works.live.path, "--suites", works.folder / "few",
        "--margins", margins, "--key", file,
    )  # fmt: skip

    assert done.exit_code == 0, done.output
    assert gate_state(candidate, [key.public]) == GateState.PASSED_SIGNED
    assert gate_state(candidate, [make_private_key().public]) == GateState.UNREADABLE

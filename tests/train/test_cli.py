"""`guard train` and `guard export` answer bad input with one line, and time that is up with exit code 1."""

import sys
from pathlib import Path

import pytest

from guard import cli
from guard.errors import UsageError
from guard.train.backbone import load_backbone


def _guard(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    monkeypatch.setattr(sys, "argv", ["guard", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def test_a_folder_without_data_is_named_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = _guard(monkeypatch, "train", "text", "--data", tmp_path / "nowhere", "--out", tmp_path / "run")

    error = capsys.readouterr().err
    assert code == 2
    assert error.startswith("error: usage: ")
    assert "nowhere" in error
    assert error.count("\n") == 1


def test_export_of_an_unfinished_run_exits_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _guard(monkeypatch, "export", "--checkpoint", tmp_path, "--out", tmp_path / "bundle") == 2
    assert "run.json" in capsys.readouterr().err


def test_a_part_of_an_earlier_version_is_refused_with_the_parts_that_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _guard(monkeypatch, "train", "fusion", "--data", tmp_path, "--out", tmp_path / "run", "--quiet") == 2

    error = capsys.readouterr().err
    assert all(part in error for part in ("'fusion' is not one of", "'text'", "'vision'", "'all'"))


def test_a_backbone_without_its_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"model\.safetensors"):
        load_backbone(str(tmp_path))

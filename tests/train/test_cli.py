"""`guard train` and `guard export` answer bad input with one line, and time that is up with exit code 1."""

import sys
from pathlib import Path

import pytest

from guard import cli
from guard.errors import UsageError
from guard.train.backbone import load_backbone
from guard.train.loop import Budget
from guard.train.own_data import own_rows
from guard.train.pairs import Plenty
from guard.train.recipe import Recipe
from guard.train.scale import Scale
from tests.train.tiny_data import write_tiny_data


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


def test_a_part_of_an_earlier_version_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _guard(monkeypatch, "train", "fusion", "--data", tmp_path, "--out", tmp_path / "run", "--quiet") == 2

    assert "No such command 'fusion'" in capsys.readouterr().err


def test_a_backbone_without_its_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"model\.safetensors"):
        load_backbone(str(tmp_path))


@pytest.mark.slow
def test_a_run_made_with_another_seed_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, run = write_tiny_data(tmp_path / "data"), tmp_path / "run"
    monkeypatch.setattr("guard.train.recipe.own_acts", lambda: ())
    monkeypatch.setattr("guard.train.text_data.own_rows", lambda: own_rows()[:40])
    few = Scale(text_rows=40, plenty=Plenty(squares=1, meetings=0, alone=1))
    assert not Recipe(data, run, scale=few).train("text", Budget.of_minutes(0, quiet=True))
    before = (run / "run.json").read_bytes()

    with pytest.raises(UsageError, match="is a run with other seed: give the same, or another --out"):
        Recipe(data, run, scale=few, seed=5).train("text", Budget.of_minutes(0, quiet=True))

    assert (run / "run.json").read_bytes() == before


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--out", "/dev/null/run", "/dev/null/run: "),
        ("--device", "cuda", "device cuda: this torch sees no GPU"),
        ("--backbone", "", "backbone '': no such folder"),
    ],
)
def test_what_cannot_be_is_said_before_any_data_is_read(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    option: str,
    value: str,
    message: str,
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("guard.train.recipe.read_text_data", None)
    (tmp_path / "packs").mkdir()

    code = _guard(monkeypatch, "train", "text", "--data", tmp_path, "--out", tmp_path / "run", option, value)

    error = capsys.readouterr().err
    assert code == 2
    assert message in error
    assert error.count("\n") == 1

"""What a disguise loses is measured on the same texts, by a guard that undoes it."""

import json
from pathlib import Path

import pytest

from guard.train.disguised import main, measure_disguised, table
from guard.train.disguises import DISGUISES
from tests.tiny_bundle import make_tiny_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_tiny_bundle(tmp_path_factory.mktemp("tiny")).path)


def test_every_disguise_has_a_recall_and_a_loss_that_fit_together(bundle: str) -> None:
    row = measure_disguised(bundle, None, each=12)["sets"]["own prompts held out"]

    assert row["n"] == 12
    assert set(row["disguises"]) == set(DISGUISES)
    for part in row["disguises"].values():
        assert row["recall"][0] - part["recall"][0] == pytest.approx(part["lost"][0], abs=2e-4)


def test_the_command_writes_a_document_and_a_narrow_table(
    bundle: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "disguised.json"

    assert main(["--bundle", bundle, "--out", str(out), "--each", "5"]) == 0
    assert capsys.readouterr().out.strip() == table(json.loads(out.read_text()))
    assert max(map(len, table(json.loads(out.read_text())).splitlines())) <= 80


def test_a_bundle_that_is_not_there_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--bundle", str(tmp_path / "none"), "--out", str(tmp_path / "o.json")]) == 1

    error = capsys.readouterr().err
    assert error.startswith("error: bundle_")
    assert error.count("\n") == 1

"""What the guard names in whole packs, besides its verdict."""

import json
from pathlib import Path

import pytest

from guard.train.named import PACKS, main, measure_named, table
from tests.tiny_bundle import make_tiny_bundle
from tests.train.test_packs import write_pack


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_tiny_bundle(tmp_path_factory.mktemp("tiny")).path)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    mixed: list[dict[str, object]] = [{"text": f"burn the house number {n}", "label": "unsafe"} for n in range(4)]
    mixed += [{"text": f"paint the house number {n}", "label": "safe"} for n in range(3)]
    write_pack(tmp_path, "hatecheck", "permissive", "validation", mixed)
    write_pack(tmp_path, "benign_prompts", "permissive", "train", [{"text": f"bake bread {n}"} for n in range(5)])
    return tmp_path


def test_unsafe_rows_are_told_of_and_harmless_ones_where_there_are_no_others(bundle: str, data: Path) -> None:
    packs = measure_named(bundle, data)["packs"]

    assert {name: row["n"] for name, row in packs.items()} == {"hatecheck": 4, "benign_prompts": 5}
    for row in packs.values():
        for value, low, high in row["attacks"].values():
            assert 0 <= low <= value <= high <= 1


def test_the_command_writes_a_document_and_a_narrow_table(
    bundle: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "named.json"

    assert main(["--bundle", bundle, "--data", str(data), "--out", str(out)]) == 0
    assert capsys.readouterr().out.strip() == table(json.loads(out.read_text()))
    assert max(map(len, table(json.loads(out.read_text())).splitlines())) <= 80


def test_data_without_any_of_the_packs_is_one_line(
    bundle: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pack(tmp_path, "oktest", "none", "validation", [{"text": "kill the lights"}])

    assert main(["--bundle", bundle, "--data", str(tmp_path), "--out", str(tmp_path / "o.json")]) == 2
    assert PACKS[0] in capsys.readouterr().err

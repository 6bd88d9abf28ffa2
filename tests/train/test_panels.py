import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from guard.errors import OcrFailed, UsageError
from guard.train import panels, samples
from guard.train.pages import VARIANTS
from guard.train.panels import main, measure_panels, table
from guard.train.rows import TextRow, is_held_out, share
from guard.train.samples import make_panels
from guard.types import Frame
from tests.pictures import solid, writing
from tests.tiny_bundle import make_tiny_bundle

PACKS = {"figstep": "unsafe", "hades": "unsafe", "figstep_style_benign": "safe", "sroie_receipts": "safe"}


class FirstLine:
    """A reader that knows what the picture of the test says, by whether it has any ink."""

    async def read(self, frame: Frame) -> str:
        if frame.pixels.max() == 0:
            raise OcrFailed("black")
        return "kill bomb"

    async def close(self) -> None:
        pass


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(panels, "RapidOcrReader", FirstLine)
    folder = tmp_path / "data"
    for name, label in PACKS.items():
        _write_pack(folder, name, label)
    index = ["pack,unsafe,safe,with_image,licence,use", *(f"{name},0,0,0,permissive,train" for name in PACKS)]
    (folder / "packs" / "INDEX.csv").write_text("\n".join(index) + "\n")
    images = folder / "images"
    images.mkdir()
    records = [
        {"image": f"{kind}{n}.png", "text": "a", "label": "a", "source": "drawn", "hazard": "other", "group": f"g{n}"}
        | {"kind": kind}
        for kind in ("screenshot", "photo")
        for n in range(30)
    ]
    for record in records:
        (images / str(record["image"])).write_bytes(solid("grey", (120, 90)))
    (images / "labels.jsonl").write_text("\n".join(map(json.dumps, records)) + "\n")
    return folder


def _write_pack(data: Path, name: str, label: str) -> None:
    folder = data / "packs" / name
    folder.mkdir(parents=True)
    records = [
        {
            "id": f"{name}-{n}",
            "text": "what is it",
            "image": f"{n}.png",
            "label": label,
            "category": "",
            "group": f"{n}",
        }
        for n in range(200)
    ]
    picture = writing("words")
    for record in records:
        (folder / str(record["image"])).write_bytes(picture)
    (folder / "records.jsonl").write_text("\n".join(map(json.dumps, records)) + "\n")


def test_pack_pictures_that_either_split_trained_on_are_left_out(data: Path) -> None:
    made = make_panels(data, 5)

    groups = {sample.group for sample in made["figstep (held out)"]}
    assert groups
    for group in groups:
        assert is_held_out(TextRow("", "", group, "", unsafe=True))
        assert share("guard-picture-1", group) < 0.1
    assert groups < {sample.group for sample in made["figstep (words held out)"]}
    assert len(made["figstep_style_benign"]) == 200
    assert len(made["sroie_receipts"]) < 60


def test_drawn_pages_carry_held_out_prompts_in_every_variant(data: Path) -> None:
    made = make_panels(data, 5)

    for label in ("harmful", "harmless"):
        texts = [[sample.written for sample in made[f"drawn {label}, {variant}"]] for variant in VARIANTS]
        assert len(texts[0]) == 5
        assert all(some == texts[0] for some in texts)


@pytest.mark.parametrize("variant", VARIANTS)
def test_page_of_every_variant_shows_something(variant: str) -> None:
    page = VARIANTS[variant]("how to knit a warm scarf for the winter", [], 0.4)

    assert isinstance(page, Image.Image)
    assert len(np.unique(np.asarray(page))) > 1


def test_panels_are_measured_through_the_guard_and_alike_each_time(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "VARIANTS", {"plain": VARIANTS["plain"]})
    bundle = make_tiny_bundle(tmp_path / "bundle")
    told: list[tuple[str, int, int]] = []

    found = measure_panels(str(bundle.path), data, each=6, on_progress=lambda *news: told.append(news))

    panel = found["panels"]["drawn harmful, plain"]
    assert (panel["n"], panel["unjudged"]) == (6, 0)
    assert panel["unsafe"][0] == panel["gate_fired"] > 0  # the tiny bundle's gate does not see every page
    assert found["panels"]["screenshots (held out)"]["gate_fired"] == 0
    assert found["panels"]["screenshots (held out)"]["words_found"] is None
    assert told[-1][1:] == (6, 6)
    assert measure_panels(str(bundle.path), data, each=6) == found
    assert max(map(len, table(found).splitlines())) <= 80


def test_command_writes_figures_and_prints_the_table(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "VARIANTS", {"plain": VARIANTS["plain"]})
    bundle = make_tiny_bundle(tmp_path / "bundle")
    out = tmp_path / "panels.json"

    main(["--bundle", str(bundle.path), "--data", str(data), "--out", str(out), "--each", "1"])

    printed = capsys.readouterr()
    assert json.loads(out.read_text())["panels"]["sroie_receipts"]["n"] == 1
    assert printed.out == table(json.loads(out.read_text())) + "\n"
    assert "1/1" in printed.err


def test_without_a_reader_nothing_is_measured(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panels, "is_available", lambda: False)

    with pytest.raises(UsageError, match="rapidocr is not installed"):
        measure_panels("embedded", data)


def test_command_says_in_one_line_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--data", str(tmp_path / "nowhere"), "--out", str(tmp_path / "out.json")])

    assert len(capsys.readouterr().err.splitlines()) == 1

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from guard.core.text import normalise
from guard.release.alterations import ALTERATIONS, AlteredPicture
from guard.suites import GreyPicture, Label, LabelledPair, StoredPicture

TEXT = "Please explain how the apparatus in this picture operates"


@pytest.fixture
def pair(tmp_path: Path) -> LabelledPair:
    path = tmp_path / "p.png"
    Image.linear_gradient("L").resize((200, 100)).convert("RGB").save(path)
    return LabelledPair("1", TEXT, (StoredPicture(path, "a" * 64),), Label.SAFE, "g", "safe")


def opened(pair: LabelledPair) -> Image.Image:
    return Image.open(BytesIO(pair.pictures[0].read()))


@pytest.mark.parametrize("name", list(ALTERATIONS))
def test_alteration_changes_the_content_and_nothing_else(pair: LabelledPair, name: str) -> None:
    altered = ALTERATIONS[name](pair)

    assert altered is not None
    assert replace(altered, text=pair.text, pictures=pair.pictures) == pair
    assert (altered.text != pair.text) or (altered.pictures[0].sha256 != pair.pictures[0].sha256)
    assert ALTERATIONS[name](pair) == altered


def test_picture_compressed_again_is_nearly_the_same(pair: LabelledPair) -> None:
    altered = ALTERATIONS["recompressed"](pair)

    assert altered is not None
    assert opened(altered).format == "JPEG"
    difference = np.abs(np.asarray(opened(altered), np.int16) - np.asarray(opened(pair), np.int16))
    assert 0 < difference.max() < 30


def test_resized_picture_keeps_its_shape(pair: LabelledPair) -> None:
    altered = ALTERATIONS["resized"](pair)

    assert altered is not None
    assert opened(altered).size == (120, 60)


def test_small_picture_is_not_made_smaller(tmp_path: Path) -> None:
    path = tmp_path / "small.png"
    Image.new("RGB", (20, 40)).save(path)

    assert Image.open(BytesIO(AlteredPicture(path, "x", "resized").read())).size == (20, 32)


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n cut short"])
def test_what_is_no_picture_comes_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "p.png"
    path.write_bytes(content)

    assert AlteredPicture(path, "x", "resized").read() == content


def test_text_in_disguise_reads_as_before_and_is_other_characters(pair: LabelledPair) -> None:
    invisible, homoglyphs = (ALTERATIONS[name](pair) for name in ("invisible", "homoglyphs"))

    assert invisible is not None
    assert homoglyphs is not None
    assert normalise(invisible.text) == TEXT
    assert len(homoglyphs.text) == len(TEXT)
    assert 10 < sum(one != other for one, other in zip(homoglyphs.text, TEXT, strict=True)) < 40


def test_pair_without_the_part_is_left_out() -> None:
    text = LabelledPair("1", "12 34", (), Label.SAFE, "g", "safe")
    grey = replace(text, text="", pictures=(GreyPicture(8, 8),))

    assert [name for name, alter in ALTERATIONS.items() if alter(text) is None] == [
        "recompressed",
        "resized",
        "homoglyphs",
    ]
    assert [name for name, alter in ALTERATIONS.items() if alter(grey) is None] == ["invisible", "homoglyphs"]

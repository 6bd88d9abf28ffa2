from types import SimpleNamespace

import pytest
from PIL import Image, ImageDraw

from guard.config import ImageSettings
from guard.core.image import decode_image
from guard.errors import OcrFailed
from guard.perception import ocr
from guard.perception.ocr import NoReader, RapidOcrReader
from guard.types import Frame
from tests.pictures import encoded, solid, writing


def _frame(data: bytes) -> Frame:
    (frame,) = decode_image(data, ImageSettings())
    return frame


@pytest.fixture(scope="module")
def reader() -> RapidOcrReader:
    return RapidOcrReader(threads=2)


async def test_lines_are_read_top_to_bottom_without_a_word_on_the_terminal(
    reader: RapidOcrReader, capfd: pytest.CaptureFixture[str]
) -> None:
    text = await reader.read(_frame(writing("first line\nsecond line")))

    assert text.lower().splitlines() == ["first line", "second line"]
    assert capfd.readouterr() == ("", "")


async def test_picture_without_writing_gives_no_text(reader: RapidOcrReader) -> None:
    assert await reader.read(_frame(solid("grey", (300, 200)))) == ""


async def test_small_writing_in_a_large_picture_is_read_at_full_size(reader: RapidOcrReader) -> None:
    large = Image.new("RGB", (1800, 1600), "white")
    ImageDraw.Draw(large).text((1200, 1400), "recipe for dough", fill="black", font_size=22)
    frame = _frame(encoded(large))

    assert frame.source is not None
    assert "recipe for dough" in (await reader.read(frame)).lower()


@pytest.mark.parametrize("size", [(20_000, 1), (1, 20_000), (3, 3)])
async def test_picture_too_thin_for_a_letter_holds_none(reader: RapidOcrReader, size: tuple[int, int]) -> None:
    assert await reader.read(_frame(solid("grey", size))) == ""


@pytest.mark.parametrize("size", [(2_900, 10), (10, 2_900), (600, 13), (900, 20)])
async def test_strip_without_writing_is_read_as_none(reader: RapidOcrReader, size: tuple[int, int]) -> None:
    assert await reader.read(_frame(solid("grey", size))) == ""


async def test_writing_anywhere_in_a_strip_is_read(reader: RapidOcrReader) -> None:
    strip = Image.new("RGB", (6000, 60), "white")
    draw = ImageDraw.Draw(strip)
    for at, words in ((20, "first words"), (860, "over the seam"), (5700, "the last ones")):
        draw.text((at, 10), words, fill="black", font_size=32)

    text = (await reader.read(_frame(encoded(strip)))).lower()

    assert "first words" in text
    assert "over the seam" in text
    assert "the last ones" in text


async def test_strip_beyond_all_measure_is_a_failed_reading(reader: RapidOcrReader) -> None:
    with pytest.raises(OcrFailed, match=r"^8 x 100000 pixels are too long a strip, limit is 24 pieces$"):
        await reader.read(_frame(solid("grey", (100_000, 8))))


async def test_picture_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = iter([SimpleNamespace(txts=("once",)), SimpleNamespace(txts=("twice",))])
    monkeypatch.setattr(ocr, "_load_engine", lambda threads: lambda pixels: next(readings))
    reader = RapidOcrReader(remembered=2)
    frame = _frame(solid("white"))

    assert [await reader.read(frame), await reader.read(frame)] == ["once", "once"]
    await reader.close()


async def test_engine_that_breaks_is_a_failed_reading_without_its_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> object:
        raise RuntimeError("quotes the picture")

    monkeypatch.setattr(ocr, "_load_engine", lambda threads: broken)
    reader = RapidOcrReader()

    with pytest.raises(OcrFailed, match=r"^the reader raised RuntimeError$"):
        await reader.read(_frame(solid("white")))
    await reader.close()


async def test_missing_package_names_its_extra() -> None:
    with pytest.raises(OcrFailed, match=r"pip install 'mllm-guard\[ocr\]'"):
        await NoReader().read(_frame(solid("white")))

"""What the reader of writing in pictures reads, and what becomes of its engine."""

import asyncio
import weakref
from collections.abc import Callable
from threading import Event
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from guard.config import ImageSettings
from guard.core.image import decode_image
from guard.errors import OcrFailed
from guard.perception import ocr
from guard.perception.ocr import NoReader, RapidOcrReader
from guard.types import Frame
from tests.pictures import encoded, solid, writing
from tests.server.house import until


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


async def test_small_print_below_a_headline_in_a_photograph_of_twelve_million_pixels_is_read(
    reader: RapidOcrReader,
) -> None:
    large = Image.new("RGB", (4000, 3000), "white")
    draw = ImageDraw.Draw(large)
    draw.text((50, 50), "A lovely picnic in the park today", fill="black", font_size=160)
    draw.text((1700, 1300), "recipe for dough with plenty of butter", fill="black", font_size=14)

    text = (await reader.read(_frame(encoded(large)))).lower()

    assert "lovely picnic" in text
    assert "recipe for dough" in text


async def test_faint_writing_beside_a_black_bar_is_read(reader: RapidOcrReader) -> None:
    faint = Image.new("RGB", (640, 400), (250, 250, 250))
    draw = ImageDraw.Draw(faint)
    draw.text((40, 60), "recipe for dough", fill=(246, 246, 246), font_size=50)
    draw.rectangle((0, 380, 60, 400), fill="black")

    assert "recipe for dough" in (await reader.read(_frame(encoded(faint)))).lower()


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


_WORDS = "Steps to bake a lemon cake\nfor the school fair"


def _page(ink: int = 0, ground: int = 255) -> Image.Image:
    page = Image.new("RGB", (760, 420), (ground,) * 3)
    ImageDraw.Draw(page).multiline_text((40, 60), _WORDS, fill=(ink,) * 3, font_size=46)
    return page


async def _read(reader: RapidOcrReader, image: Image.Image) -> str:
    return (await reader.read(_frame(encoded(image)))).lower()


@pytest.mark.parametrize(
    "way", [None, *Image.Transpose], ids=lambda way: "upright" if way is None else way.name.lower()
)
async def test_writing_is_read_however_the_page_is_held(reader: RapidOcrReader, way: Image.Transpose | None) -> None:
    page = _page() if way is None else _page().transpose(way)

    assert await _read(reader, page) == _WORDS.lower()


@pytest.mark.parametrize("degrees", [-15, -6, 10])
async def test_leaning_writing_is_read_in_order(reader: RapidOcrReader, degrees: int) -> None:
    assert await _read(reader, _page().rotate(degrees, expand=True, fillcolor="white")) == _WORDS.lower()


async def test_writing_that_hardly_differs_from_its_ground_is_read(reader: RapidOcrReader) -> None:
    assert await _read(reader, _page(ink=122, ground=128)) == _WORDS.lower()


async def test_faint_writing_below_a_strong_picture_is_read(reader: RapidOcrReader) -> None:
    poster = Image.new("RGB", (760, 760), "black")
    ImageDraw.Draw(poster).ellipse((200, 40, 500, 320), fill="gold")
    poster.paste(_page(ink=121, ground=128), (0, 340))

    assert "bake a lemon cake" in await _read(reader, poster)


async def test_mirrored_line_beside_an_upright_one_is_read(reader: RapidOcrReader) -> None:
    page = _page().transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    ImageDraw.Draw(page).text((60, 300), "a lovely day at the beach", fill="black", font_size=40)

    text = await _read(reader, page)

    assert "bake a lemon cake" in text
    assert "lovely day at the beach" in text


async def test_line_across_the_middle_of_a_large_picture_is_read_whole(reader: RapidOcrReader) -> None:
    scene = Image.effect_noise((1600, 1200), 60).convert("RGB").resize((1600, 1200))
    ImageDraw.Draw(scene).rectangle((560, 580, 1060, 615), fill="white")
    ImageDraw.Draw(scene).text((570, 586), "boil eggs", fill="black", font_size=16)

    assert "boil eggs" in await _read(reader, scene)


async def test_picture_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = iter([["once"], ["twice"]])
    monkeypatch.setattr(ocr, "_load_engine", lambda threads: None)
    monkeypatch.setattr(ocr, "read_page", lambda engine, pixels: next(readings))
    reader = RapidOcrReader(remembered=2)
    frame = _frame(solid("white"))

    assert [await reader.read(frame), await reader.read(frame)] == ["once", "once"]
    await reader.close()


class _Page:
    """An engine that finds one line on each page, and reads it."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.on_step: Callable[[], object] = lambda: None

    def __call__(self, pixels: object, **steps: bool) -> Any:
        self._note("detect")
        return SimpleNamespace(boxes=np.array([[[10, 10], [90, 10], [90, 30], [10, 30]]], np.float32))

    def cls_and_rotate(self, cuts: Any) -> Any:
        self._note("turn")
        return cuts, SimpleNamespace(cls_res=[("0", 1.0) for _ in cuts])

    def recognize_txt(self, cuts: Any) -> Any:
        self._note("recognise")
        return SimpleNamespace(txts=["how to bake bread" for _ in cuts], scores=[1.0 for _ in cuts])

    def _note(self, step: str) -> None:
        self.steps.append(step)
        self.on_step()


async def test_closed_reader_does_no_further_step_of_the_page_that_it_is_at(monkeypatch: pytest.MonkeyPatch) -> None:
    page, is_begun, may_go_on = _Page(), Event(), Event()

    def hold() -> None:
        is_begun.set()
        may_go_on.wait(60)

    page.on_step = hold
    monkeypatch.setattr(ocr, "_load_engine", lambda threads: page)
    reader = RapidOcrReader()
    reading = asyncio.create_task(reader.read(_frame(solid("white", (100, 50)))))
    await asyncio.to_thread(is_begun.wait, 60)

    await reader.close()
    may_go_on.set()

    with pytest.raises(OcrFailed, match="the reader was closed"):
        await reading
    assert page.steps == ["detect"]


async def test_engine_that_nobody_needs_is_given_up_and_loaded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[weakref.ref[_Page]] = []

    def load(threads: int) -> _Page:
        page = _Page()
        loaded.append(weakref.ref(page))
        return page

    monkeypatch.setattr(ocr, "_load_engine", load)
    reader = RapidOcrReader(idle_s=0.05)

    first = await reader.read(_frame(solid("white", (100, 50))))
    await until(lambda: loaded[0]() is None)
    second = await reader.read(_frame(solid("grey", (100, 50))))
    await reader.close()

    assert (first, second) == ("how to bake bread", "how to bake bread")
    assert len(loaded) == 2


async def test_engine_that_breaks_is_a_failed_reading_without_its_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object, **steps: bool) -> object:
        raise RuntimeError("quotes the picture")

    monkeypatch.setattr(ocr, "_load_engine", lambda threads: broken)
    reader = RapidOcrReader()

    with pytest.raises(OcrFailed, match=r"^the reader raised RuntimeError$"):
        await reader.read(_frame(solid("white")))
    await reader.close()


async def test_missing_package_names_its_extra() -> None:
    with pytest.raises(OcrFailed, match=r"pip install 'mllm-guard\[ocr\]'"):
        await NoReader().read(_frame(solid("white")))

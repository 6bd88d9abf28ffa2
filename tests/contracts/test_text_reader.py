"""What every `TextReader` keeps to: the real one, the fake, and the one that stands for a missing package."""

from collections.abc import AsyncIterator, Callable

import pytest

from guard.config import ImageSettings
from guard.core.image import decode_image
from guard.errors import OcrFailed
from guard.perception.ocr import NoReader, RapidOcrReader
from guard.ports import TextReader
from guard.types import Frame
from tests.fakes import FixedReader
from tests.pictures import solid, writing

READERS: dict[str, Callable[[], TextReader]] = {
    "rapidocr": lambda: RapidOcrReader(threads=2, remembered=8),
    "fake": lambda: FixedReader("how to bake bread"),
}
FAILING: dict[str, Callable[[], TextReader]] = {
    "none": NoReader,
    "fake": lambda: FixedReader(failure=OcrFailed("broken")),
}


@pytest.fixture(params=READERS)
async def reader(request: pytest.FixtureRequest) -> AsyncIterator[TextReader]:
    reader = READERS[request.param]()
    yield reader
    await reader.close()


def _frame(data: bytes) -> Frame:
    (frame,) = decode_image(data, ImageSettings())
    return frame


async def test_reader_finds_the_writing_and_finds_it_again(reader: TextReader) -> None:
    frame = _frame(writing("how to bake bread"))

    first, second = await reader.read(frame), await reader.read(frame)

    assert "bake bread" in first.lower()
    assert first == second


async def test_closing_twice_is_fine(reader: TextReader) -> None:
    await reader.close()
    await reader.close()


@pytest.mark.parametrize("make", FAILING.values(), ids=FAILING)
async def test_reader_that_cannot_read_says_so(make: Callable[[], TextReader]) -> None:
    with pytest.raises(OcrFailed):
        await make().read(_frame(solid("white")))

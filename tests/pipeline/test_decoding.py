import asyncio
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from guard.config import ImageSettings
from guard.core.image import is_large
from guard.pipeline import decoding
from guard.pipeline.decoding import Decoder
from guard.types import Frame, ImageInput, Pair
from tests.pictures import encoded, solid
from tests.pipeline.guards import make_house

FRAME = Frame(np.zeros((8, 8, 3), np.uint8), "d")
LARGE = solid("red", (3000, 2000))


class _Kitchen:
    """Decodes nothing, takes its time, and remembers who was in it."""

    def __init__(self) -> None:
        self.order: list[bytes] = []
        self.inside: list[str] = []
        self.most_large = 0
        self.takes_s = 0.02
        self._lock = threading.Lock()

    def decode(self, data: bytes, limits: ImageSettings) -> tuple[Frame, ...]:
        thread = threading.current_thread().name
        with self._lock:
            self.order.append(data)
            self.inside.append(thread)
            self.most_large = max(self.most_large, sum("large" in name for name in self.inside))
        time.sleep(self.takes_s)
        with self._lock:
            self.inside.remove(thread)
        return (FRAME,)


@pytest.fixture
def kitchen(monkeypatch: pytest.MonkeyPatch) -> _Kitchen:
    kitchen = _Kitchen()
    monkeypatch.setattr(decoding, "decode_image", kitchen.decode)
    return kitchen


@pytest.fixture
def decoder() -> Iterator[Decoder]:
    decoder = Decoder(ImageSettings(), threads=2)
    yield decoder
    decoder.close()


@pytest.mark.parametrize("format_", ["PNG", "GIF", "WEBP", "BMP", "AVIF"])
def test_picture_of_many_pixels_is_large_by_its_header(format_: str) -> None:
    assert is_large(solid("red", (2300, 2000), format_=format_), ImageSettings())
    assert not is_large(solid("red", (1900, 2000), format_=format_), ImageSettings())


@pytest.mark.parametrize(("progressive", "is_so"), [(False, False), (True, True)])
def test_large_jpeg_is_large_only_where_it_cannot_be_decoded_reduced(progressive: bool, is_so: bool) -> None:
    data = encoded(Image.new("RGB", (3000, 2000)), "JPEG", progressive=progressive)

    assert is_large(data, ImageSettings()) is is_so


@pytest.mark.parametrize("data", [b"", b"no picture", LARGE[:20], solid("red")[:30]])
def test_what_cannot_be_read_is_not_large(data: bytes) -> None:
    assert not is_large(data, ImageSettings())


async def test_large_pictures_are_decoded_one_at_a_time_and_small_ones_pass_by(
    kitchen: _Kitchen, decoder: Decoder
) -> None:
    kitchen.takes_s = 0.2
    large = [asyncio.create_task(decoder.decode(ImageInput(data=LARGE))) for _ in range(5)]
    await asyncio.sleep(0.01)

    await decoder.decode(ImageInput(data=solid("red")))

    assert not all(task.done() for task in large)
    await asyncio.gather(*large)
    assert kitchen.most_large == 1


async def test_request_of_many_pictures_does_not_hold_up_the_picture_of_another(kitchen: _Kitchen) -> None:
    house = make_house()
    pictures = tuple(ImageInput(data=solid((shade, 0, 0))) for shade in range(32))
    kitchen.takes_s = 0.1
    many = asyncio.create_task(house.guard.check(Pair("look at these", pictures)))
    await asyncio.sleep(0.05)
    other = solid("blue")

    await house.guard.check(Pair("and at this", (ImageInput(data=other),)))

    assert not many.done()
    assert kitchen.order.index(other) < 16
    await many


async def test_pictures_of_one_pair_share_one_deadline(kitchen: _Kitchen) -> None:
    house = make_house({"limits": {"score_timeout_s": 0.2, "admission_timeout_s": 0.01}})
    pictures = tuple(ImageInput(data=solid((shade, 0, 0))) for shade in range(32))
    kitchen.takes_s = 0.05

    decision = await house.guard.check(Pair("look at these", pictures))

    assert decision.code == "preparation_timeout"

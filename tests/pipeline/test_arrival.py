import threading
from base64 import b64encode

import pytest
from PIL import Image

from guard.config import ImageSettings
from guard.core.rewrite import rewritten
from guard.errors import Overloaded
from guard.pipeline import decoding
from guard.types import Action, ImageInput, Pair, Verdict
from tests.pictures import encoded, solid
from tests.pipeline.guards import House, make_house

_exif = Image.Exif()
_exif[0x0112] = 6
TURNED = encoded(Image.new("RGB", (40, 20)), exif=_exif)
RED, BLUE = solid("red"), solid("blue")
NORMALISED = {"images": {"send": "normalised"}}


@pytest.fixture
def house() -> House:
    house = make_house()
    house.fetcher.pictures |= {"https://x.test/red.png": RED, "https://x.test/blue.png": BLUE}
    return house


async def test_urls_are_resolved_in_place_each_once(house: House) -> None:
    images = (
        ImageInput(url="https://x.test/red.png", place="1"),
        ImageInput(data=BLUE),
        ImageInput(url="https://x.test/gone.png", place="2"),
        ImageInput(url="https://x.test/red.png", place="3"),
    )

    resolved = await house.guard.resolve(images)

    assert [image.data is not None for image in resolved] == [True, True, False, True]
    assert [image.place for image in resolved] == ["1", "", "2", "3"]
    assert resolved[2].failure == "image_unreachable"
    assert house.fetcher.fetched == ["https://x.test/red.png", "https://x.test/gone.png"]


async def test_picture_beyond_the_bytes_of_one_request_is_unjudged() -> None:
    house = make_house({"fetch": {"max_bytes_per_request": len(RED) + len(BLUE) - 1}})
    house.fetcher.pictures |= {"https://x.test/red.png": RED, "https://x.test/blue.png": BLUE}

    resolved = await house.guard.resolve([ImageInput(url=url) for url in house.fetcher.pictures])

    assert [(image.data, image.failure) for image in resolved] == [(RED, None), (None, "image_rejected")]


async def test_fetched_bytes_are_held_and_a_full_house_refuses_the_request(house: House) -> None:
    held: list[int] = []

    await house.guard.resolve([ImageInput(url=url) for url in house.fetcher.pictures], hold=held.append)

    assert sum(held) == len(RED) + len(BLUE)

    def refuse(size_bytes: int) -> None:
        raise Overloaded("full")

    with pytest.raises(Overloaded):
        await house.guard.resolve([ImageInput(url="https://x.test/red.png")], hold=refuse)


# Written anew


async def test_every_picture_is_as_it_will_be_sent_with_its_place() -> None:
    house = make_house(NORMALISED)
    house.fetcher.pictures["https://x.test/turned.png"] = TURNED
    images = (
        ImageInput(url="https://x.test/turned.png", place="1"),
        ImageInput(data=TURNED, place="2"),
        ImageInput(encoded=b64encode(TURNED).decode(), place="3"),
    )

    resolved = await house.guard.resolve(images)

    assert [image.place for image in resolved] == ["1", "2", "3"]
    assert {image.data for image in resolved} == {rewritten(TURNED, ImageSettings())}


async def test_original_is_left_alone_unless_asked_for(house: House) -> None:
    images = (ImageInput(data=TURNED),)

    assert await house.guard.resolve(images) == images


async def test_picture_that_cannot_be_written_anew_is_unjudged() -> None:
    house = make_house(NORMALISED)

    (broken,) = await house.guard.resolve([ImageInput(data=b"no picture", place="1")])
    decision = await house.guard.check(Pair("hello", (broken,)))

    assert (broken.failure, broken.place) == ("image_rejected", "1")
    assert (decision.verdict, decision.action) == (Verdict.UNJUDGED, Action.BLOCK)


async def test_picture_is_written_anew_once(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []

    def write(data: bytes, _: ImageSettings) -> bytes:
        written.append(data)
        return b"new"

    monkeypatch.setattr(decoding, "rewritten", write)
    house = make_house(NORMALISED)

    for _ in range(2):
        await house.guard.resolve([ImageInput(data=RED), ImageInput(data=RED)])

    assert written == [RED]


@pytest.mark.parametrize("on_error", ["block", "allow"])
async def test_picture_that_is_not_written_anew_in_time_is_guards_fault(
    monkeypatch: pytest.MonkeyPatch, on_error: str
) -> None:
    ends = threading.Event()
    monkeypatch.setattr(decoding, "rewritten", lambda data, limits: ends.wait(10))
    limits = {"score_timeout_s": 0.2, "admission_timeout_s": 0.01}
    other = "allow" if on_error == "block" else "block"
    house = make_house(NORMALISED | {"limits": limits, "policy": {"on_error": on_error, "on_unjudged": other}})

    late = await house.guard.resolve([ImageInput(data=RED)])
    ends.set()
    decision = await house.guard.check(Pair("hello", late))

    assert (decision.action.value, decision.code) == (on_error, "preparation_timeout")

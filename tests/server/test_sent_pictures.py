"""What reaches the LLM API of a picture, under each setting of `images.send`."""

from base64 import b64decode, b64encode
from collections.abc import Callable
from io import BytesIO

import numpy as np
import orjson
import pytest
from PIL import Image

from guard.config import ImageSettings
from guard.core.image import decode_image, media_type
from guard.core.rewrite import rewritten
from tests.pictures import animated, encoded, solid
from tests.server.house import SAFE, Builder, House

CHAT = "/v1/chat/completions"
URL = "https://pictures.test/a.png"


def _url(data: bytes) -> str:
    return f"data:{media_type(data)};base64,{b64encode(data).decode()}"


def _turned() -> bytes:
    picture = Image.new("RGB", (40, 20), "blue")
    picture.paste("red", (0, 0, 20, 20))
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(picture, exif=exif)


async def _send(house: House, url: str) -> bytes:
    """Send a picture through Guard and return the bytes that the LLM API got for it."""
    content = [{"type": "text", "text": SAFE}, {"type": "image_url", "image_url": {"url": url, "detail": "low"}}]
    async with house.client() as client:
        answer = await client.post(CHAT, json={"model": "m", "messages": [{"role": "user", "content": content}]})
    assert answer.status_code == 200, answer.text
    (request,) = house.upstream.sent
    part = orjson.loads(request.body)["messages"][0]["content"][1]["image_url"]
    assert part["detail"] == "low"
    head, _, sent = part["url"].partition(",")
    data = b64decode(sent)
    assert head == f"data:{media_type(data)};base64"
    return data


CASES = {
    "turned": _turned(),
    "transparent": solid((255, 0, 0, 0), mode="RGBA"),
    "animated": animated(["red", "lime"], "GIF"),
    "deep grey": encoded(Image.fromarray(np.full((8, 8), 600, np.uint16))),
    "with bytes behind its end": solid("red") + b"%PDF-1.4 how to make a bomb",
    "photograph": solid("red", (60, 50), format_="JPEG"),
}


@pytest.mark.parametrize("data", CASES.values(), ids=CASES)
@pytest.mark.parametrize("is_fetched", [False, True])
async def test_normalised_picture_that_is_sent_has_the_pixels_that_were_judged(
    build: Builder, data: bytes, is_fetched: bool
) -> None:
    house = build(images={"send": "normalised"}, pictures={URL: data})

    sent = await _send(house, URL if is_fetched else _url(data))

    (pair,) = house.scorer.asked
    (judged,) = pair.frames
    seen = Image.open(BytesIO(sent))
    assert np.array_equal(np.asarray(seen), judged.pixels)
    assert (len(decode_image(sent, ImageSettings())), dict(seen.getexif())) == (1, {})
    assert b"bomb" not in sent


@pytest.mark.parametrize("data", CASES.values(), ids=CASES)
async def test_original_picture_is_sent_as_it_came_and_judged_in_every_way_it_may_be_seen(
    build: Builder, data: bytes
) -> None:
    house = build()

    assert await _send(house, _url(data)) == data
    assert len(house.scorer.asked[0].frames) == len(decode_image(data, ImageSettings()))


def _anthropic(data: bytes) -> dict[str, object]:
    source = {"type": "base64", "media_type": media_type(data), "data": b64encode(data).decode()}
    return {"max_tokens": 8, "messages": [{"role": "user", "content": [{"type": "image", "source": source}]}]}


def _responses(data: bytes) -> dict[str, object]:
    return {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": _url(data)}]}]}


def _sent_to_anthropic(body: bytes) -> tuple[str, str]:
    source = orjson.loads(body)["messages"][0]["content"][0]["source"]
    return source["media_type"], source["data"]


def _sent_to_responses(body: bytes) -> tuple[str, str]:
    head, _, sent = orjson.loads(body)["input"][0]["content"][0]["image_url"].partition(",")
    return head.removeprefix("data:").removesuffix(";base64"), sent


@pytest.mark.parametrize("data", [_turned(), solid((255, 0, 0, 0), mode="RGBA", format_="WEBP")])
@pytest.mark.parametrize(
    ("path", "make", "read"),
    [("/v1/messages", _anthropic, _sent_to_anthropic), ("/v1/responses", _responses, _sent_to_responses)],
)
async def test_normalised_picture_is_sent_in_the_form_of_every_api(
    build: Builder,
    data: bytes,
    path: str,
    make: Callable[[bytes], dict[str, object]],
    read: Callable[[bytes], tuple[str, str]],
) -> None:
    house = build(images={"send": "normalised"})

    async with house.client() as client:
        answer = await client.post(path, json={"model": "m", **make(data)})

    assert answer.status_code == 200, answer.text
    declared, sent = read(house.upstream.sent[0].body)
    assert b64decode(sent) == rewritten(data, ImageSettings())
    assert declared == media_type(b64decode(sent))
    assert np.array_equal(house.scorer.asked[0].frames[0].pixels, np.asarray(Image.open(BytesIO(b64decode(sent)))))


async def test_picture_that_cannot_be_normalised_is_blocked_and_nothing_is_sent(build: Builder) -> None:
    house = build(images={"send": "normalised"})
    content = [{"type": "image_url", "image_url": {"url": _url(solid("red")[:40])}}]

    async with house.client() as client:
        answer = await client.post(CHAT, json={"model": "m", "messages": [{"role": "user", "content": content}]})

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "image_rejected")
    assert house.upstream.sent == []

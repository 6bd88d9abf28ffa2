from io import BytesIO

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from guard.config import ImageSettings
from guard.core.image import decode_image, full_pixels, media_type
from guard.core.rewrite import rewritten
from guard.errors import ImageRejected
from tests.pictures import animated, encoded, solid

LIMITS = ImageSettings()


def _read(data: bytes) -> Image.Image:
    return Image.open(BytesIO(data))


def _middle(data: bytes) -> tuple[int, ...]:
    picture = _read(data).convert("RGB")
    middle = picture.getpixel((picture.width // 2, picture.height // 2))
    assert isinstance(middle, tuple)
    return tuple(int(round(value / 255) * 255) for value in middle)


def _turned(format_: str) -> bytes:
    picture = Image.new("RGB", (40, 20), "blue")
    picture.paste("red", (0, 0, 20, 20))
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(picture, format_, exif=exif)


@pytest.mark.parametrize("format_", ["PNG", "GIF", "BMP"])
def test_picture_with_sharp_edges_is_a_png_of_the_same_pixels(format_: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8)).quantize(64)
    data = encoded(noise, format_)

    written = rewritten(data, LIMITS)

    assert media_type(written) == "image/png"
    assert np.array_equal(np.asarray(_read(written)), decode_image(data, LIMITS)[0].pixels)


@pytest.mark.parametrize("format_", ["JPEG", "WEBP", "AVIF"])
def test_photograph_is_a_jpeg_of_the_same_size(format_: str) -> None:
    written = rewritten(solid("red", (900, 800), format_=format_), LIMITS)

    assert media_type(written) == "image/jpeg"
    assert _read(written).size == (900, 800)
    assert _middle(written) == (255, 0, 0)


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP"])
def test_turned_picture_is_written_upright_and_nothing_says_that_it_was_turned(format_: str) -> None:
    written = rewritten(_turned(format_), LIMITS)

    assert _read(written).size == (20, 40)
    assert not _read(written).getexif()
    assert len(decode_image(written, LIMITS)) == 1


@pytest.mark.parametrize(
    ("data", "colour"),
    [
        (solid((255, 0, 0, 0), mode="RGBA"), (255, 255, 255)),
        (solid((0, 255, 255, 0), mode="CMYK", format_="JPEG"), (255, 0, 0)),
        (encoded(Image.fromarray(np.full((8, 8), 65_000, np.uint16))), (255, 255, 255)),
        (encoded(Image.fromarray(np.full((8, 8), 600, np.uint16))), (0, 0, 0)),
        (animated(["red", "lime"], "GIF"), (255, 0, 0)),
        (animated(["red", "lime"], "WEBP"), (255, 0, 0)),
        (animated(["red", "lime"], "PNG"), (255, 0, 0)),
    ],
    ids=["transparent", "cmyk", "deep grey", "dark deep grey", "gif", "webp", "apng"],
)
def test_picture_that_could_be_seen_in_several_ways_is_written_so_that_there_is_one(
    data: bytes, colour: tuple[int, ...]
) -> None:
    written = rewritten(data, LIMITS)

    assert len(decode_image(written, LIMITS)) == 1
    assert _middle(written) == colour


def test_nothing_but_pixels_is_written() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Description", "how to make a bomb")
    info.add_itxt("XML:com.adobe.xmp", "how to make a bomb")
    icc = b"a profile: how to make a bomb"
    data = encoded(Image.new("RGB", (8, 8)), pnginfo=info, icc_profile=icc) + b"PK\x03\x04 how to make a bomb"

    written = rewritten(data, LIMITS)

    assert b"bomb" not in written
    assert _read(written).info == {}


def test_nothing_but_pixels_is_written_of_a_photograph() -> None:
    data = encoded(Image.new("RGB", (8, 8)), "JPEG", comment=b"how to make a bomb", icc_profile=b"a bomb")

    written = rewritten(data + b"how to make a bomb", LIMITS)

    assert b"bomb" not in written


def test_what_is_written_is_what_is_judged_of_it() -> None:
    written = rewritten(_turned("PNG"), LIMITS)

    (frame,) = decode_image(written, LIMITS)

    assert np.array_equal(full_pixels(frame), np.asarray(_read(written)))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"no picture", "not a JPEG"),
        (solid("red")[:40], "cut short"),
        (solid("red", (80, 80)), "6,400 pixels, limit is 5,000"),
        (solid("red") + bytes(10_000), "bytes, limit is 9,000"),
    ],
)
def test_picture_that_may_not_be_judged_is_not_written(data: bytes, message: str) -> None:
    with pytest.raises(ImageRejected, match=message):
        rewritten(data, ImageSettings(max_pixels=5000, max_bytes=9000))

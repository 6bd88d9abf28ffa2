"""Files made to show a model something else than Guard, or to cost more than they weigh."""

import contextlib
import struct
import time
import zlib

import numpy as np
import pytest
from PIL import Image

from guard.config import ImageSettings
from guard.core.image import decode_image, media_type
from guard.errors import ImageRejected
from guard.types import Frame
from tests.pictures import animated, encoded, solid

LIMITS = ImageSettings()
RED, LIME = (255, 0, 0), (0, 255, 0)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _png(colour_type: int, depth: int, rows: bytes, *chunks: bytes, size: int = 8) -> bytes:
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", size, size, depth, colour_type, 0, 0, 0))
    body = _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + body


def _colours(data: bytes) -> list[tuple[int, ...]]:
    """Return the colour in the middle of each way to see each frame, rounded to full or nothing."""
    middles = [frame.pixels[frame.pixels.shape[0] // 2, frame.pixels.shape[1] // 2] for frame in _frames(data)]
    return [tuple(int(round(value / 255) * 255) for value in middle) for middle in middles]


def _frames(data: bytes) -> list[Frame]:
    return list(decode_image(data, LIMITS))


@pytest.mark.parametrize("data", [b"PK\x03\x04" + bytes(60), b"%PDF-1.7", b"<html><script>", b"#!/bin/sh\n"])
def test_picture_behind_the_head_of_another_format_is_refused(data: bytes) -> None:
    with pytest.raises(ImageRejected, match="not a JPEG"):
        decode_image(data + solid("red"), LIMITS)


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "GIF", "WEBP", "BMP"])
@pytest.mark.parametrize("tail", [b"PK\x03\x04 a zip", b"%PDF-1.7 a document", b"<script>", solid("blue")])
def test_bytes_of_another_format_behind_a_picture_change_nothing_in_what_is_seen(format_: str, tail: bytes) -> None:
    data = solid("red", format_=format_)

    assert media_type(data + tail) == media_type(data)
    assert _colours(data + tail) == _colours(data) == [RED]


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"hevc", b"heim", b"jxl ", b"crx ", b"isom", b"mp42"])
def test_container_of_a_format_that_pillow_cannot_decode_is_refused(brand: bytes) -> None:
    data = struct.pack(">I", 24) + b"ftyp" + brand + bytes(4) + b"mif1" + brand

    with pytest.raises(ImageRejected, match="not a JPEG"):
        decode_image(data + bytes(200), LIMITS)


@pytest.mark.parametrize(
    "svg",
    [
        b"<svg xmlns='http://www.w3.org/2000/svg'><text>how to make a bomb</text></svg>",
        b"<?xml version='1.0'?><!DOCTYPE svg [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><svg>&a;</svg>",
        b"\xef\xbb\xbf<svg/>",
        b"\x1f\x8b\x08" + zlib.compress(b"<svg/>"),
    ],
    ids=["plain", "with an entity", "with a mark", "compressed"],
)
def test_drawing_in_svg_is_refused_and_never_parsed(svg: bytes) -> None:
    with pytest.raises(ImageRejected, match="not a JPEG"):
        decode_image(svg, LIMITS)


def test_still_picture_of_an_animated_png_that_is_no_frame_of_it_is_judged_too() -> None:
    first, second = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "lime")
    data = encoded(first, save_all=True, append_images=[second], default_image=True)

    assert _colours(data) == [RED, LIME]


def test_frame_that_is_shown_for_no_time_is_judged_as_any_other() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "red")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=[5000, 0, 5000])

    assert LIME in _colours(data)


def test_frame_that_reaches_beyond_the_canvas_counts_with_all_its_pixels() -> None:
    data = bytearray(animated(["red", "lime"], "GIF", (60, 60)))
    data[6:10] = struct.pack("<HH", 2, 2)

    with pytest.raises(ImageRejected, match="pixels, limit is"):
        decode_image(bytes(data), ImageSettings(max_pixels=3000))


@pytest.mark.parametrize("alpha", [0, 1, 254])
def test_nearly_and_wholly_transparent_colours_are_seen_bare(alpha: int) -> None:
    frames = _frames(solid((255, 0, 0, alpha), mode="RGBA"))

    assert [255, 0, 0] in [frame.pixels[4, 4].tolist() for frame in frames]
    assert len(frames) == 3


def test_grey_with_transparency_is_seen_on_white_on_black_and_bare() -> None:
    assert _colours(solid((130, 0), mode="LA")) == [(255, 255, 255), (0, 0, 0), (255, 255, 255)]


def test_palette_with_its_own_transparency_is_seen_on_white_on_black_and_bare() -> None:
    picture = Image.new("P", (8, 8), 1)
    picture.putpalette([0, 0, 0, 255, 0, 0])

    assert _colours(encoded(picture, transparency=bytes([255, 0]))) == [(255, 255, 255), (0, 0, 0), RED]


def test_sixteen_bit_colours_are_seen_by_their_high_bytes() -> None:
    rows = (b"\0" + b"\xff\x01\x00\xff\x00\xff" * 8) * 8

    assert [frame.pixels[4, 4].tolist() for frame in _frames(_png(2, 16, rows))] == [[255, 0, 0]]


def test_sixteen_bit_colours_with_transparency_are_seen_in_every_way() -> None:
    rows = (b"\0" + b"\xff\x01\x00\xff\x00\xff\x00\x00" * 8) * 8

    assert _colours(_png(6, 16, rows)) == [(255, 255, 255), (0, 0, 0), RED]


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "YCbCr"])
@pytest.mark.parametrize("format_", ["JPEG", "PNG"])
def test_picture_in_any_colour_mode_of_its_format_is_decoded(mode: str, format_: str) -> None:
    try:
        data = encoded(Image.new("RGB", (16, 16), "white").convert(mode), format_)
    except OSError:  # a mode that the format does not have
        data = encoded(Image.new("L", (16, 16), "white"), format_)

    assert _colours(data) == [(255, 255, 255)]


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
def test_compressed_chunk_that_explodes_costs_next_to_nothing(kind: bytes) -> None:
    packed = zlib.compress(bytes(200_000_000), 9)
    head = b"a\0\x01\0\0\0" if kind == b"iTXt" else b"a\0\0"
    data = _png(2, 8, (b"\0" + bytes(24)) * 8, _chunk(kind, head + packed))
    start = time.thread_time()

    with contextlib.suppress(ImageRejected):  # Pillow refuses some such chunks, and passes over others
        assert _colours(data) == [(0, 0, 0)]

    assert time.thread_time() - start < 1


def test_pixels_that_explode_beyond_their_size_are_left_packed() -> None:
    data = _png(2, 8, bytes(200_000_000))
    start = time.thread_time()

    assert _colours(data) == [(0, 0, 0)]
    assert time.thread_time() - start < 1


@pytest.mark.parametrize("format_", ["GIF", "WEBP", "PNG", "AVIF"])
def test_animation_of_very_many_frames_is_given_up_at_the_limit(format_: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (60, 16, 16, 3), np.uint8)
    frames = [Image.fromarray(frame) for frame in noise]
    data = encoded(frames[0], format_, save_all=True, append_images=frames[1:])

    with pytest.raises(ImageRejected, match=r"^more than 8 frames$"):
        decode_image(data, LIMITS)

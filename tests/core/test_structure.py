import struct
import time
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from guard.config import ImageSettings
from guard.core.image import decode_image
from guard.core.structure import _holds, is_progressive
from guard.errors import ImageRejected
from tests.pictures import encoded, solid

SIZE = 5_000_000
JPEG, PNG, GIF = solid("red", format_="JPEG"), solid("red"), solid("red", format_="GIF")
PROGRESSIVE = encoded(Image.new("RGB", (2000, 2000), "red"), "JPEG", progressive=True)


def _chunk(kind: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _png_with(chunk: bytes, at: int) -> bytes:
    return PNG[:at] + chunk * (SIZE // len(chunk)) + PNG[at:]


def _jpeg_with(segment: bytes) -> bytes:
    return JPEG[:2] + segment * (SIZE // len(segment)) + JPEG[2:]


def _with_scans(count: int) -> bytes:
    scan = PROGRESSIVE[PROGRESSIVE.rfind(b"\xff\xda") : -2]
    return PROGRESSIVE[:-2] + scan * count + PROGRESSIVE[-2:]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: _png_with(_chunk(b"prVt"), 33), "more than 20,000 chunks"),
        (lambda: _png_with(_chunk(b"tEXt", b"a\0b"), 33), "more than 20,000 chunks"),
        (lambda: _png_with(_chunk(b"prVt"), len(PNG) - 12), "more than 20,000 chunks"),
        (lambda: _jpeg_with(b"\xff\xe5\x00\x02"), "more than 4,000 segments"),
        (lambda: _jpeg_with(b"\xff\xfe\x00\x02"), "more than 4,000 segments"),
        (lambda: _jpeg_with(b"\xff\x01"), "more than 4,000 segments"),
        (lambda: _jpeg_with(b"\xff"), "more than 4,000 segments"),
        (lambda: JPEG + (b"\xff\xd8" + b"\xff" * 5000) * 2, "more than 4,000 segments"),
        (lambda: JPEG + b"\xff\xd8\xff" * 1000, "1,001 pictures in one file, limit is 64"),
        (lambda: _with_scans(10_000), "scans, limit is 50"),
    ],
)
def test_file_of_very_many_pieces_is_refused_at_once(make: Callable[[], bytes], message: str) -> None:
    data = make()
    start = time.thread_time()

    with pytest.raises(ImageRejected, match=message):
        decode_image(data, ImageSettings())

    assert time.thread_time() - start < 0.5


@pytest.mark.parametrize(
    "data",
    [
        PROGRESSIVE,
        _with_scans(20),
        PNG[:33] + _chunk(b"prVt") * 1000 + PNG[33:],
        JPEG[:2] + b"\xff\xe5\x00\x02" * 1000 + JPEG[2:],
        JPEG[:2] + b"\xff" * 1000 + JPEG[2:],
        GIF[:-1] + b"\x21\xfe\x00" * 1000 + GIF[-1:],
    ],
)
def test_file_of_many_pieces_is_decoded(data: bytes) -> None:
    assert len(decode_image(data, ImageSettings())) == 1


@given(st.lists(st.sampled_from([b"\xff", b"\xd8", b"\xc2", b"\x00", b"x"]), max_size=12).map(b"".join))
def test_marks_are_found_wherever_they_stand(data: bytes) -> None:
    for mark in (b"\xff\xc2", b"\xff\xd8\xff"):
        places = [place for place in range(len(data)) if data[place : place + len(mark)] == mark]

        assert _holds(data, mark).nonzero()[0].tolist() == places
    assert is_progressive(data) == (b"\xff\xc2" in data)

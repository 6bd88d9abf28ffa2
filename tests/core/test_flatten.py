import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from guard.core.flatten import Look, looks_at, paint
from guard.errors import ImageRejected

# Wide, so that a band is one step of the factor high; large, so that there are several bands.
SIZE = (40_000, 60)
FACTOR = 7
_FLOOD = """
import resource, struct, zlib
from guard.config import ImageSettings
from guard.core.image import decode_image

def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

packer = zlib.compressobj()
rows = b"".join(packer.compress(bytes([0]) + bytes([255, 0, 0, 128]) * 5000) for _ in range(5000)) + packer.flush()
head = struct.pack(">IIBBBBB", 5000, 5000, 8, 6, 0, 0, 0)
picture = bytes([137, 80, 78, 71, 13, 10, 26, 10]) + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
frames = decode_image(picture, ImageSettings())
print(len(frames), len(picture), (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def _noise(channels: int) -> Image.Image:
    noise = np.random.default_rng(2).integers(0, 255, (SIZE[1], SIZE[0], channels), np.uint8)
    return Image.fromarray(noise)


def _deep() -> Image.Image:
    return Image.fromarray(np.random.default_rng(3).integers(0, 65_535, (SIZE[1], SIZE[0])).astype(np.uint16))


def _same(one: Image.Image, other: Image.Image) -> bool:
    return one.size == other.size and one.tobytes() == other.tobytes()


def test_picture_painted_in_bands_is_the_one_painted_at_once() -> None:
    picture = _noise(3)

    assert _same(paint(picture, Look(), FACTOR), picture.reduce(FACTOR))
    assert _same(paint(picture, Look(), 1), picture)


@pytest.mark.parametrize("ground", ["white", "black"])
def test_transparent_picture_painted_in_bands_is_the_one_painted_at_once(ground: str) -> None:
    picture = _noise(4)
    whole = Image.new("RGB", SIZE, ground)
    whole.paste(picture.convert("RGB"), mask=picture.getchannel("A"))

    assert _same(paint(picture, Look(ground), FACTOR), whole.reduce(FACTOR))


def test_deep_grey_painted_in_bands_is_the_one_painted_at_once() -> None:
    picture = _deep()
    scaled = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8)).convert("RGB")

    assert _same(paint(picture, Look(), 1), scaled)


@pytest.mark.parametrize("row", [0, 30, 59])
def test_one_transparent_pixel_anywhere_is_seen_on_every_ground(row: int) -> None:
    pixels = np.full((SIZE[1], SIZE[0], 4), 255, np.uint8)
    pixels[row, 39_999] = (90, 90, 90, 0)

    assert looks_at(Image.fromarray(pixels)) == [Look("white"), Look("black"), Look()]


def test_mode_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ImageRejected, match="colour mode F is not supported"):
        looks_at(Image.new("F", (8, 8)))


def test_flood_of_transparent_pixels_takes_little_more_memory_than_the_decoder_itself() -> None:
    done = subprocess.run([sys.executable, "-c", _FLOOD], capture_output=True, text=True, check=True)

    frames, size_bytes, taken_mb = map(int, done.stdout.split())
    assert (frames, size_bytes < 200_000) == (3, True)
    assert taken_mb < 200  # 100 of it are the 25 million pixels as decoded; painted in full it was 715

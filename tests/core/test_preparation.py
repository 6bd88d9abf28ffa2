"""Thresholds are bound to the rules of preparation by their names: these have to change when what the rules give does.

Where a test here fails after a change of rules, give them a new name in `guard.core.preparation` and put it here with
the digest: what was calibrated under the old one then asks for a new calibration.
"""

import hashlib
from collections.abc import Iterator
from io import BytesIO
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from guard.config import ImageSettings
from guard.core.contrast import evened, strengthened
from guard.core.image import decode_image, frame_tensor, full_pixels
from guard.core.preparation import READINGS, VIEWS
from guard.core.text import normalise
from guard.core.tiles import TILES_REDUCED, is_tiled, quarters, tiles
from guard.manifest import ImageSpec
from guard.pipeline.readings import readings_of
from guard.train.disguises import DISGUISES
from guard.types import Frame, PreparedPair
from tests.core.sentences import HARMFUL, OF_OTHER_LANGUAGES, ORDINARY

READ = {"guard-4": "312cc153c5c73b0a6ac53c2c5bdf7c7ce5eb7ebff6488c3ca4c1d6a9358901a3"}
SEEN = {"guard-2": "3ce7a852e65959f31a4677ac61d1c289f78b9654f558d1dec5fb4c43513a7ea4"}

SPEC = ImageSpec(size=64, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))


def _pairs() -> Iterator[PreparedPair]:
    random = Random(0)
    frames = tuple(Frame(np.zeros((2, 2, 3), np.uint8), str(number)) for number in range(2))
    for text in (*HARMFUL, *ORDINARY, *OF_OTHER_LANGUAGES):
        yield PreparedPair(normalise(text))
        fillers = (" | ".join(text.split()), "\n".join(str(byte) for byte in text.encode()))
        for hidden in (*(disguise(text, random) for disguise in DISGUISES.values()), *fillers):
            hidden = normalise(hidden)
            yield PreparedPair(hidden)
            yield PreparedPair("What does it say?", frames, (hidden[: len(hidden) // 2], hidden[len(hidden) // 2 :]))


def _pictures() -> Iterator[Image.Image]:
    random = np.random.default_rng(0)
    for height, width in ((40, 60), (900, 700), (1300, 1700)):
        ramp = np.linspace(60, 200, width) + np.linspace(-40, 40, height)[:, None]
        noisy = (ramp[..., None] + random.normal(0, 6, (height, width, 3))).clip(0, 255).astype(np.uint8)
        noisy[height // 3 : height // 2 : 7, width // 4 : width // 2] //= 3  # lines, as of writing
        yield Image.fromarray(noisy)
        yield Image.fromarray(np.dstack([noisy, np.where(ramp > 130, 255, 60).astype(np.uint8)]), "RGBA")
        yield Image.fromarray((120 + noisy // 16).astype(np.uint8))  # faint
        yield Image.fromarray((ramp * 200).clip(0, 65535).astype(np.uint16))


def _views(picture: Image.Image) -> Iterator[NDArray[Any]]:
    written = BytesIO()
    picture.save(written, "PNG")
    for frame in decode_image(written.getvalue(), ImageSettings()):
        yield frame.pixels
        yield np.round(frame_tensor(frame, SPEC), 3)
        parts = [frame, *(quarters(frame) if is_tiled(frame) else ())]
        parts += tiles(frame, full_pixels(frame, TILES_REDUCED)) if is_tiled(frame) else ()
        for part in parts:
            yield part.pixels
            yield from (found for found in (evened(part.pixels), strengthened(part.pixels)) if found is not None)


def test_the_name_of_the_rules_of_texts_changes_with_what_is_read() -> None:
    found = hashlib.sha256()
    for pair in _pairs():
        for reading in readings_of(pair):
            found.update(repr((reading.text, reading.ocr)).encode())

    assert {READINGS: found.hexdigest()} == {READINGS: READ.get(READINGS)}


def test_the_name_of_the_rules_of_pictures_changes_with_what_is_seen() -> None:
    found = hashlib.sha256()
    for picture in _pictures():
        for view in _views(picture):
            found.update(repr(view.shape).encode() + np.ascontiguousarray(view).tobytes())

    assert {VIEWS: found.hexdigest()} == {VIEWS: SEEN.get(VIEWS)}

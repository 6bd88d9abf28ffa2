"""Parts of a large picture, in which small writing shows that is grey in a small view of the whole.

A line of letters 40 pixels high in a photograph of 12 million pixels is found in no view of the whole, nor of a quarter
of it. In a tile it is: measured on 7 photographs, its likelihood of writing was 0.86 to 1.0 there, and at most 0.49
before in 6 of them; for letters of 28 pixels it was 0.05 to 1.0.
"""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from guard.core.image import full_size
from guard.types import Frame

# From this many pixels on, letters of 14 pixels are grey in the model's view of the whole picture.
_LARGE_PIXELS = 1_200_000
# Share of a side that each of a large picture's four quarters has: they overlap by 12 %.
_QUARTER = 0.56
# Side of a tile in pixels of the picture, and how much of it two of them share: a word.
_TILE = 600
_SHARED = 0.12
_MOST_TILES = 36
# A tile is squeezed to the model's 224 pixels anyway: half the pixels cost half the time, and a JPEG a quarter of it.
TILES_REDUCED = 2
# Letters leave steps of so many levels between neighbours, in so large a share of a tile and its colours at least.
_STEP = 16
_STEPS_SHARE = 0.0003


def is_tiled(frame: Frame) -> bool:
    """Return whether a frame is large enough to be looked at in parts; only the header of its picture is read."""
    return math.prod(full_size(frame)) >= _LARGE_PIXELS


def quarters(frame: Frame) -> list[Frame]:
    """Return the four overlapping quarters of a frame as it is kept, reduced; they are nobody's to remember."""
    height, width = frame.pixels.shape[:2]
    high, wide = int(_QUARTER * height), int(_QUARTER * width)
    corners = [(top, left) for top in (0, height - high) for left in (0, width - wide)]
    return [part(frame, frame.pixels[top : top + high, left : left + wide]) for top, left in corners]


def tiles(frame: Frame, pixels: NDArray[np.uint8]) -> Iterator[Frame]:
    """Yield overlapping tiles of a frame, at most 36; those without any edges are left out.

    Args:
        frame: whose tiles they are.
        pixels: all of it, reduced by `TILES_REDUCED`.
    """
    for top, left, size in grid(*pixels.shape[:2], size=_TILE // TILES_REDUCED, most=_MOST_TILES):
        tile = pixels[top : top + size, left : left + size]
        steps = np.abs(np.diff(tile.astype(np.int16), axis=1)) >= _STEP
        if steps.any() and steps.mean() >= _STEPS_SHARE:
            yield part(frame, tile)


def grid(height: int, width: int, *, size: int, most: int) -> list[tuple[int, int, int]]:
    """Return top, left and side of at most `most` square tiles that cover a picture, of `size` or as much as it takes.

    Neighbours overlap by 12 %; tiles at the edges stay within the picture where it is as large as one.
    """
    tops, lefts = _starts(height, size), _starts(width, size)
    while len(tops) * len(lefts) > most:
        size += max(1, size // 10)
        tops, lefts = _starts(height, size), _starts(width, size)
    return [(top, left, size) for top in tops for left in lefts]


def part(frame: Frame, pixels: NDArray[np.uint8]) -> Frame:
    """Return a frame of other pixels, remembered by nobody."""
    return replace(frame, pixels=np.ascontiguousarray(pixels), digest="", source=None)


def _starts(side: int, size: int) -> list[int]:
    if side <= size:
        return [0]
    count = math.ceil((side - _SHARED * size) / ((1 - _SHARED) * size))
    return [round(number * (side - size) / (count - 1)) for number in range(count)]

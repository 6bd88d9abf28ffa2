"""A page read by PP-OCR however it is held: upright, turned, seen in a mirror, faint, or small in a large picture.

One detection finds the lines of a page however they lie. A line that is not read with confidence is read again as in a
mirror, which costs 15 ms a line and no second detection. Where few letters came back at all, the picture is looked at
once more with its contrast evened out, and if it is large, in four tiles. A very large picture is read in up to 24
tiles whatever was found in the whole, since a headline would hide small print; plain tiles are passed over.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from guard.core.contrast import strengthened
from guard.core.tiles import grid
from guard.perception.lines import (
    Corners,
    Line,
    View,
    area,
    cut_out,
    in_reading_order,
    is_tall,
    overlap,
    page_view,
    with_box,
)

# Longer side of what the detector sees; the lines it finds are read at full size. rapidocr's own setting enlarges every
# picture to a shorter side of 736, which took twice the time and lost a lone line on a blank page of 1800 x 1600 pixels
# that this finds (measured on 16 drawn pictures with letters of 14 to 60 pixels: 16 read, against 15 at 960).
DETECTOR_SIDE = 736

# Below this the engine's own setting drops a line.
_READ = 0.5
# Upright lines of drawn pages were read with 0.94 and more, mirrored ones with 0.96 and less; a reading in the mirror
# that stands reaches this.
_SURE = 0.96
# What the classifier of orientation must reach; the engine's own setting.
_SURE_TURNED = 0.9
_CLEARLY_BETTER = 0.05
# Doubtful lines that are read again in every view; the longest first.
_MOST_DOUBTFUL = 12
# So many sure letters are a page; with fewer, more is done to find some.
_FEW_LETTERS = 16
# Evened contrast brings out grain that reads like letters.
_SURE_CLOSER = 0.8
# A picture this much larger than what the detector sees is looked at in tiles, if letters are few.
_LARGE = 1.5 * DETECTOR_SIDE
_TILE_SHARE = 0.56  # of a side; two tiles overlap by 12 %
# From here on four tiles would be shrunk by more than a third as well: letters of 14 pixels in 12 million were lost.
_VERY_LARGE = round(_LARGE / _TILE_SHARE)
_TILE = round(_LARGE)
_MOST_TILES = 24


class Engine(Protocol):
    """What of `rapidocr.RapidOCR` is used."""

    def __call__(self, pixels: NDArray[np.uint8], **steps: bool) -> Any:
        """Return what the chosen steps give: `boxes` (n, 4, 2), or None."""
        ...

    def cls_and_rotate(self, cuts: list[NDArray[np.uint8]]) -> tuple[list[NDArray[np.uint8]], Any]:
        """Return cut-out lines turned upright, and `cls_res`, a label "0" or "180" and its probability for each."""
        ...

    def recognize_txt(self, cuts: list[NDArray[np.uint8]]) -> Any:
        """Return `txts` and `scores`, one for each cut-out line."""
        ...


def read_page(engine: Engine, pixels: NDArray[np.uint8]) -> list[str]:
    """Return the lines in a picture, uint8 (height, width, 3), BGR, in reading order."""
    strong = strengthened(pixels)
    pixels = pixels if strong is None else strong
    pixels, boxes = _held_upright(engine, pixels)
    lines = _read(engine, pixels, boxes)
    if max(pixels.shape) > _VERY_LARGE:
        lines = _with_small_print(engine, pixels, lines)
    if _letters(lines) < _FEW_LETTERS:
        lines = _look_closer(engine, pixels, lines)
    kept = [line for line in lines if line.confidence >= _READ and line.text.strip()]
    return [line.text for line in in_reading_order(kept, page_view(kept))]


def _held_upright(engine: Engine, pixels: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], list[Corners]]:
    """Return the picture and its boxes, both turned where most of the writing runs up or down.

    The detector cuts lines that run up or down in pieces: "library" came back as "libi" and "rary".
    """
    boxes = _detect(engine, pixels)
    tall = sum(area(box) for box in boxes if is_tall(box))
    if 2 * tall <= sum(map(area, boxes)):
        return pixels, boxes
    turned = View(1).of(pixels)
    return turned, _detect(engine, turned)


def _detect(engine: Engine, pixels: NDArray[np.uint8]) -> list[Corners]:
    boxes = engine(np.ascontiguousarray(pixels), use_det=True, use_cls=False, use_rec=False).boxes
    return [] if boxes is None else [np.asarray(box, np.float32) for box in boxes]


def _read(engine: Engine, pixels: NDArray[np.uint8], boxes: Sequence[Corners]) -> list[Line]:
    """Return what stands in the boxes; "" with no confidence where nothing was read."""
    if not boxes:
        return []
    cuts = [cut_out(pixels, box) for box in boxes]
    views = [View(int(is_tall(box))) for box in boxes]
    _, turned = engine.cls_and_rotate([view.of(cut) for view, cut in zip(views, cuts, strict=True)])
    for index, (label, probability) in enumerate(turned.cls_res):
        if "180" in label and probability > _SURE_TURNED:
            views[index] = replace(views[index], turns=views[index].turns + 2)
    lines = _recognise(engine, list(zip(boxes, cuts, views, strict=True)))
    doubtful = sorted((i for i, line in enumerate(lines) if line.trust < _SURE), key=lambda i: -cuts[i].size)
    again = [
        (i, View((views[i].turns + turns) % 4, mirrored=True)) for i in doubtful[:_MOST_DOUBTFUL] for turns in (0, 2)
    ]
    _read_again(engine, lines, cuts, again)
    sure = page_view([line for line in lines if line.trust >= _SURE])
    _read_again(engine, lines, cuts, [(i, sure) for i in doubtful if lines[i].trust < _SURE and lines[i].view != sure])
    return lines


def _read_again(
    engine: Engine, lines: list[Line], cuts: Sequence[NDArray[np.uint8]], again: Sequence[tuple[int, View]]
) -> None:
    """Put into `lines` what other views of them gave, where that is clearly better."""
    found = _recognise(engine, [(lines[i].corners, cuts[i], view) for i, view in again])
    for (index, _), line in zip(again, found, strict=True):
        if line.trust > lines[index].trust + _CLEARLY_BETTER:
            lines[index] = line


def _recognise(engine: Engine, views: Sequence[tuple[Corners, NDArray[np.uint8], View]]) -> list[Line]:
    if not views:
        return []
    read = engine.recognize_txt([view.of(cut) for _, cut, view in views])
    return [
        Line(corners, view, text, float(confidence))
        for (corners, _, view), text, confidence in zip(views, read.txts, read.scores, strict=True)
    ]


def _letters(lines: Sequence[Line]) -> int:
    return sum(line.letters for line in lines if line.trust >= _SURE)


def _look_closer(engine: Engine, pixels: NDArray[np.uint8], lines: list[Line]) -> list[Line]:
    """Return the lines with those that show where contrast is evened out, in tiles if the picture is large."""
    even = _evened(pixels)
    in_tiles = _LARGE < max(pixels.shape) <= _VERY_LARGE
    found = _detect_in_tiles(engine, even, _quarters(even)) if in_tiles else _detect(engine, even)
    return _best(lines, [line for line in _read(engine, even, found) if line.trust >= _SURE_CLOSER])


def _with_small_print(engine: Engine, pixels: NDArray[np.uint8], lines: list[Line]) -> list[Line]:
    """Return the lines with those that show in tiles of a very large picture, as they are or more of them."""
    spots = [
        (slice(top, top + size), slice(left, left + size))
        for top, left, size in grid(*pixels.shape[:2], size=_TILE, most=_MOST_TILES)
    ]
    sure = [line.corners for line in lines if line.trust >= _SURE]
    found = _detect_in_tiles(engine, pixels, [spot for spot in spots if np.ptp(pixels[spot])])
    new = [box for box in found if not any(overlap(box, corners) for corners in sure)]
    return _best(lines, [line for line in _read(engine, pixels, new) if line.trust >= _SURE_CLOSER])


def _best(lines: Sequence[Line], others: Sequence[Line]) -> list[Line]:
    """Return all lines but those that lie over one with more letters that are as sure."""
    kept: list[Line] = []
    for line in sorted([*lines, *others], key=lambda line: -line.letters * line.trust):
        if not any(overlap(line.corners, other.corners) for other in kept):
            kept.append(line)
    return kept


def _evened(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture whose lightness has the same contrast everywhere."""
    import cv2  # comes with rapidocr

    lightness, *hue = cv2.split(cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_BGR2LAB))
    even = cv2.createCLAHE(clipLimit=3.0, tileGridSize=(8, 8)).apply(lightness)
    return np.asarray(cv2.cvtColor(cv2.merge([even, *hue]), cv2.COLOR_LAB2BGR), np.uint8)


def _quarters(pixels: NDArray[np.uint8]) -> list[tuple[slice, slice]]:
    height, width = pixels.shape[:2]
    high, wide = int(_TILE_SHARE * height), int(_TILE_SHARE * width)
    return [
        (slice(top, top + high), slice(left, left + wide)) for top in (0, height - high) for left in (0, width - wide)
    ]


def _detect_in_tiles(engine: Engine, pixels: NDArray[np.uint8], tiles: Sequence[tuple[slice, slice]]) -> list[Corners]:
    """Return the boxes in overlapping tiles; the parts of a line that crosses a seam are one box."""
    boxes: list[Corners] = []
    for down, along in tiles:
        for box in _detect(engine, pixels[down, along]):
            boxes = with_box(boxes, box + np.array([along.start, down.start], np.float32))
    return boxes

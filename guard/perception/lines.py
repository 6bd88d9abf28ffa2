"""Lines of writing in a picture: where they stand, which way they run, and in what order they are read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# A box this many times as high as wide holds a line that runs up or down.
_TALL = 1.5
# From this length, in heights, a box tells how far its line leans.
_TELLS_TILT = 3
# So many letters at least a line has on a length that is its height; print has one to two.
_LEAST_LETTERS = 0.6
# Two boxes that share this much of the lower one's height stand in one row.
_SAME_ROW = 0.6

Corners = NDArray[np.float32]  # (4, 2): x and y of top left, top right, bottom right, bottom left


@dataclass(frozen=True, slots=True)
class View:
    """How a cut-out is held to be read: turned by quarter turns against the clock, then perhaps seen in a mirror."""

    turns: int = 0  # in [0, 3]
    mirrored: bool = False

    def of(self, cut: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return a picture, (height, width, 3), as it is seen so."""
        turned = np.rot90(cut, self.turns)
        return np.ascontiguousarray(turned[:, ::-1] if self.mirrored else turned)

    def points(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return where points, (n, 2), come to lie in a picture that is seen so, up to a shift."""
        x, y = points.T
        for _ in range(self.turns):
            x, y = y, -x
        return np.stack([-x if self.mirrored else x, y], axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A line as it was read in one view; `confidence` is the recogniser's, in [0, 1]."""

    corners: Corners
    view: View
    text: str
    confidence: float

    @property
    def letters(self) -> int:
        """How many characters it has but blanks."""
        return len("".join(self.text.split()))

    @property
    def trust(self) -> float:
        """Confidence, less where a long box gave a few letters: three stand for a dozen that could not be read."""
        short, long = sorted(_sides(self.corners))
        return self.confidence * min(1.0, self.letters * max(short, 1.0) / max(_LEAST_LETTERS * long, 1.0))


def cut_out(pixels: NDArray[np.uint8], corners: Corners) -> NDArray[np.uint8]:
    """Return what lies within the corners, straightened: the sides keep their lengths."""
    import cv2  # comes with rapidocr

    along, down = _sides(corners)
    width, height = max(1, round(along)), max(1, round(down))
    straight = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    matrix = cv2.getPerspectiveTransform(corners, straight)
    cut: Any = cv2.warpPerspective(
        pixels, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE, flags=cv2.INTER_CUBIC
    )
    return np.asarray(cut, np.uint8)


def is_tall(corners: Corners) -> bool:
    """Return whether a box holds a line that runs up or down."""
    along, down = _sides(corners)
    return down >= _TALL * along


def area(corners: Corners) -> float:
    """Return how much of the picture a box covers, in pixels."""
    along, down = _sides(corners)
    return along * down


def overlap(one: Corners, other: Corners) -> bool:
    """Return whether the middle of a box lies in the other one, by their upright hulls."""
    return any(
        (outer.min(axis=0) <= inner.mean(axis=0)).all() and (inner.mean(axis=0) <= outer.max(axis=0)).all()
        for inner, outer in ((one, other), (other, one))
    )


def with_box(boxes: Sequence[Corners], box: Corners) -> list[Corners]:
    """Return boxes with one more, which is joined with those of its row that it touches."""
    apart = []
    for other in boxes:
        low, high = np.maximum(box.min(axis=0), other.min(axis=0)), np.minimum(box.max(axis=0), other.max(axis=0))
        least = min(np.ptp(box[:, 1]), np.ptp(other[:, 1]))
        if high[0] >= low[0] and high[1] - low[1] >= _SAME_ROW * least:
            (left, top), (right, bottom) = (
                np.minimum(box.min(axis=0), other.min(axis=0)),
                np.maximum(box.max(axis=0), other.max(axis=0)),
            )
            box = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)
        else:
            apart.append(other)
    return [*apart, box]


def page_view(lines: Sequence[Line]) -> View:
    """Return the view in which most of what was read stands upright, by letters times trust."""
    weights: dict[View, float] = {View(): 0.0}
    for line in lines:
        weights[line.view] = weights.get(line.view, 0.0) + line.letters * line.trust
    return max(weights, key=lambda view: weights[view])


def in_reading_order(lines: Sequence[Line], view: View) -> list[Line]:
    """Return lines top to bottom and left to right, as somebody sees them who holds the page like `view`.

    The page may lean: rows run along the middle one of the directions of its long lines.
    """
    if not lines:
        return []
    seen = [view.points(line.corners.astype(np.float64)) for line in lines]
    centres = np.array([points.mean(axis=0) for points in seen]) @ _rotation(_tilt(seen)).T
    heights = [min(_sides(line.corners)) for line in lines]
    rows: list[list[int]] = []
    for index in np.argsort(centres[:, 1], kind="stable").tolist():
        first = rows[-1][0] if rows else None
        if first is not None and centres[index, 1] - centres[first, 1] < min(heights[index], heights[first]) / 2:
            rows[-1].append(index)
        else:
            rows.append([index])
    return [lines[index] for row in rows for index in sorted(row, key=lambda index: float(centres[index, 0]))]


def _tilt(boxes: Sequence[NDArray[np.float64]]) -> float:
    """Return the angle in radians, within an eighth of a turn, at which the long boxes of a page lean."""
    angles = []
    for top_left, top_right, _, bottom_left in boxes:
        sides = sorted((top_right - top_left, bottom_left - top_left), key=lambda side: float(np.hypot(*side)))
        x, y = sides[1]
        if np.hypot(x, y) >= _TELLS_TILT * np.hypot(*sides[0]) and abs(x) > abs(y):
            angles.append(np.arctan2(y * np.sign(x), abs(x)))
    return float(np.median(angles)) if angles else 0.0


def _rotation(angle: float) -> NDArray[np.float64]:
    """Return the matrix that takes a direction at `angle` to the x axis."""
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


def _sides(corners: Corners) -> tuple[float, float]:
    """Return the longer one of the top and the bottom side, and of the left and the right one."""
    top_left, top_right, bottom_right, bottom_left = corners
    return (
        float(max(np.linalg.norm(top_right - top_left), np.linalg.norm(bottom_right - bottom_left))),
        float(max(np.linalg.norm(bottom_left - top_left), np.linalg.norm(bottom_right - top_right))),
    )

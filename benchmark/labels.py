"""Where names stand beside their marks: at the first of several places that covers nothing else. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

_HEIGHT = 15.0
_BESIDE = (4, -8, 16, -22, 30, -36, 44, -50, -64, -78, 58, 72)  # of a name's line from its mark, upwards and downwards
_NEAR = 16.0  # a name that is farther off is led to its mark by a line


@dataclass(frozen=True, slots=True)
class Box:
    """A part of the page."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: "Box") -> bool:
        """Return whether both cover a place."""
        return not (
            self.right < other.left or self.left > other.right or self.bottom < other.top or self.top > other.bottom
        )

    def lies_in(self, other: "Box") -> bool:
        """Return whether it is a part of the other."""
        return (
            self.left >= other.left
            and self.right <= other.right
            and self.top >= other.top
            and self.bottom <= other.bottom
        )


@dataclass(frozen=True, slots=True)
class Label:
    """Where a name begins, what it covers, and from where a line leads to its mark; None beside it."""

    x: float
    y: float
    box: Box
    leader: tuple[float, float] | None


def place_label(x: float, y: float, wide: float, taken: Sequence[Box], room: Box) -> Label:
    """Return where the name of a mark at (x, y) stands. Where every place is taken it stands right beside the mark."""
    sides = [(x + dx if dx > 0 else x + dx - wide, y + dy) for dy, dx in product(_BESIDE, (10, -10))]
    places = [*sides, *((x - wide / 2, y + dy) for dy in (-12, 20))]
    left, base = next((each for each in places if _is_free(_covered(*each, wide), taken, room)), places[0])
    box = _covered(left, base, wide)
    leader = None
    if abs(base - 4 - y) > _NEAR:
        leader = (min(max(x, box.left), box.right), box.bottom if box.bottom < y else box.top)
    return Label(left, base, box, leader)


def place_along(ways: Iterable[Sequence[Box]], taken: Sequence[Box]) -> Sequence[Box]:
    """Return the first way among several on which the fewest boxes are taken."""
    return min(ways, key=lambda way: sum(box.meets(other) for box in way for other in taken))


def boxes_between(start: tuple[float, float], end: tuple[float, float], step: float) -> Iterator[Box]:
    """Yield what a line of words covers from one place to another, a box a step."""
    count = max(1, round(max(abs(end[0] - start[0]), abs(end[1] - start[1])) / step))
    for number in range(count + 1):
        x, y = (a + (b - a) * number / count for a, b in zip(start, end, strict=True))
        yield Box(x - step / 2, y - step / 2, x + step / 2, y + step / 2)


def _covered(left: float, base: float, wide: float) -> Box:
    return Box(left, base - _HEIGHT + 4, left + wide, base + 4)


def _is_free(box: Box, taken: Sequence[Box], room: Box) -> bool:
    return box.lies_in(room) and not any(box.meets(other) for other in taken)

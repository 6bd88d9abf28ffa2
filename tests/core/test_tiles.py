from itertools import pairwise

import numpy as np
import pytest

from guard.config import ImageSettings
from guard.core.image import decode_image
from guard.core.tiles import grid, is_tiled, part, quarters, tiles
from guard.types import Frame
from tests.pictures import solid


def _frame(size: tuple[int, int]) -> Frame:
    return decode_image(solid("red", size, format_="JPEG"), ImageSettings())[0]


@pytest.mark.parametrize(("size", "is_so"), [((1000, 1000), False), ((1280, 960), True), ((4000, 3000), True)])
def test_large_picture_is_tiled(size: tuple[int, int], is_so: bool) -> None:
    assert is_tiled(_frame(size)) is is_so


@pytest.mark.parametrize("shape", [(3000, 4000), (600, 600), (601, 599), (40, 9000), (25_000_000, 1), (5000, 5000)])
@pytest.mark.parametrize(("size", "most"), [(600, 48), (1100, 24), (7, 3)])
def test_tiles_cover_a_picture_of_any_shape_within_their_number(shape: tuple[int, int], size: int, most: int) -> None:
    found = grid(*shape, size=size, most=most)

    assert 1 <= len(found) <= most
    for side, starts in zip(shape, (sorted({t for t, _, _ in found}), sorted({x for _, x, _ in found})), strict=True):
        ends = [start + found[0][2] for start in starts]
        assert starts[0] == 0
        assert ends[-1] >= side
        assert all(start < end for start, end in zip(starts[1:], ends, strict=False))


def test_neighbours_share_a_word() -> None:
    lefts = sorted({left for _, left, _ in grid(600, 4000, size=600, most=48)})

    assert all(after - before <= 0.88 * 600 + 1 for before, after in pairwise(lefts))


def test_tiles_without_edges_are_left_out_and_the_others_hold_all_there_is() -> None:
    pixels = np.zeros((1500, 2000, 3), np.uint8)
    pixels[700:710, 900:950:3] = 255

    found = list(tiles(_frame((4000, 3000)), pixels))

    assert 1 <= len(found) <= 4
    assert max(int((tile.pixels > 0).sum()) for tile in found) == int((pixels > 0).sum())
    assert all(tile.pixels.shape[0] < 400 for tile in found)


def test_view_of_a_frame_is_remembered_by_nobody() -> None:
    frame = _frame((1600, 1200))

    assert {view.digest for view in (*quarters(frame), part(frame, frame.pixels))} == {""}
    assert len(quarters(frame)) == 4

"""Drawn pictures: the same seed draws the same, Pillow's own font is enough, and writing is there to be seen."""

import numpy as np
import pytest

from guard.train.drawing import draw_unwritten, draw_written, system_fonts
from guard.train.images import SIZE

NO_PHOTOS = np.empty((0, SIZE, SIZE, 3), np.uint8)
PHOTOS = np.full((2, SIZE, SIZE, 3), 120, np.uint8)


def test_pictures_are_drawn_with_nothing_but_pillows_own_font() -> None:
    drawn = draw_written(12, texts=["Steps to bake bread"], photos=NO_PHOTOS, fonts=(), seed=0)

    assert drawn.shape == (12, SIZE, SIZE, 3)
    assert all(np.ptp(picture) > 0 for picture in drawn)


def test_the_same_seed_draws_the_same_pictures() -> None:
    one, two, other = (
        draw_written(6, texts=["a sign", "a note"], photos=PHOTOS, fonts=(), seed=seed) for seed in (1, 1, 2)
    )

    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


def test_pictures_without_writing_are_repeated_by_seed_too() -> None:
    assert np.array_equal(draw_unwritten(8, seed=5), draw_unwritten(8, seed=5))


@pytest.mark.parametrize("text", ["x", "word " * 60, "Supercalifragilisticexpialidocious" * 4, "two\nlines"])
def test_any_length_of_text_can_be_drawn(text: str) -> None:
    assert draw_written(8, texts=[text], photos=PHOTOS, fonts=system_fonts()[:2], seed=3).shape[0] == 8

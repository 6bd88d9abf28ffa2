import numpy as np
import pytest
from numpy.typing import NDArray

from guard.core.contrast import strengthened


def _two_tones(one: tuple[int, ...], other: tuple[int, ...], side: int = 64) -> NDArray[np.uint8]:
    pixels = np.empty((side, side, 3), np.uint8)
    pixels[:], pixels[: side // 4] = one, other
    return pixels


def test_faint_tones_fill_the_range() -> None:
    strong = strengthened(_two_tones((128, 128, 128), (122, 122, 122)))

    assert strong is not None
    assert strong[0, 0].tolist() == [0, 0, 0]
    assert strong[-1, -1].tolist() == [255, 255, 255]


def test_faint_tones_on_a_coloured_ground_are_found_in_their_channel() -> None:
    strong = strengthened(_two_tones((200, 50, 50), (200, 56, 50)))

    assert strong is not None
    assert strong[0, 0].tolist() == [0, 255, 0]
    assert strong[-1, -1].tolist() == [0, 0, 0]


@pytest.mark.parametrize("other", [(128, 128, 128), (0, 0, 0), (128, 128, 40)])
def test_plain_or_strong_picture_stays(other: tuple[int, ...]) -> None:
    assert strengthened(_two_tones((128, 128, 128), other)) is None


def test_a_few_specks_do_not_hide_a_faint_picture() -> None:
    pixels = _two_tones((128, 128, 128), (122, 122, 122), side=256)
    pixels[100, 100], pixels[200, 7] = 0, 255

    assert strengthened(pixels) is not None

import numpy as np
import pytest
from numpy.typing import NDArray

from guard.core.contrast import evened, strengthened


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


def _faint_beside_a_black_bar(levels: int) -> NDArray[np.uint8]:
    pixels = np.full((200, 320, 3), 250, np.uint8)
    pixels[80:100:4, 60:260] -= np.uint8(levels)
    pixels[190:, :60] = 0
    return pixels


@pytest.mark.parametrize("levels", [1, 4, 12])
def test_faint_writing_stands_out_beside_a_black_bar_once_contrast_is_even(levels: int) -> None:
    pixels = _faint_beside_a_black_bar(levels)

    even = evened(pixels)

    assert strengthened(pixels) is None
    assert even is not None
    assert np.ptp(even[80:100, 80:240]) > 100


def test_even_contrast_leaves_what_is_strong_as_strong_as_it_was() -> None:
    pixels = _faint_beside_a_black_bar(4)

    even = evened(pixels)

    assert even is not None
    assert np.ptp(even[170:, :80]) > 100


@pytest.mark.parametrize("pixels", [np.full((40, 60, 3), 7, np.uint8), np.zeros((1, 1, 3), np.uint8)])
def test_plain_picture_has_no_contrast_to_even_out(pixels: NDArray[np.uint8]) -> None:
    assert evened(pixels) is None


def test_picture_that_is_strong_everywhere_is_even_already() -> None:
    assert evened(np.random.default_rng(0).integers(0, 255, (200, 300, 3), np.uint8)) is None


@pytest.mark.parametrize("shape", [(1, 5000), (5000, 1), (300, 9), (9, 300), (2000, 3000)])
def test_contrast_of_a_picture_of_any_shape_can_be_evened_out(shape: tuple[int, int]) -> None:
    pixels = np.full((*shape, 3), 100, np.uint8)
    pixels[shape[0] // 2, shape[1] // 2 :] = 104

    even = evened(pixels)

    assert even is not None
    assert min(even.shape[:2]) <= 256

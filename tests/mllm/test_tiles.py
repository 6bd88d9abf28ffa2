"""Llama 4's tiles without torchvision: beside what transformers' own processor made of the same pictures with it."""

import numpy as np
import pytest
import torch
from PIL import Image

from guard.mllm.tiles import TiledPictures

# By transformers 5.23 with torchvision 0.28, tiles of 28 pixels: most tiles, whether it enlarges, height, width, then
# rows and columns of tiles, pictures in all, their mean, the last one's mean, one pixel of the first and of the last.
OF_TORCHVISION = (
    (4, False, 1, 1, [1, 1], 1, -1.000, -1.000, -1.000, -1.000),
    (4, False, 20, 20, [1, 1], 1, -0.577, -0.577, -0.812, -0.781),
    (4, False, 40, 61, [2, 2], 5, -0.466, -0.253, -0.695, 0.531),
    (4, False, 3, 200, [1, 4], 5, -0.882, -0.486, -1.000, -0.680),
    (4, False, 200, 3, [4, 1], 5, -0.827, -0.245, -1.000, -1.000),
    (4, False, 220, 165, [2, 2], 5, -0.229, -0.036, 0.148, -0.027),
    (16, False, 40, 61, [2, 3], 7, -0.561, -0.253, -0.727, 0.531),
    (16, False, 61, 40, [3, 2], 7, -0.492, -0.134, -0.727, 0.562),
    (16, False, 300, 310, [4, 4], 17, -0.063, -0.030, -0.199, 0.008),
    (16, False, 57, 112, [3, 4], 13, -0.401, -0.146, -0.727, -0.105),
    (16, False, 500, 30, [16, 1], 17, -0.084, -0.017, -0.680, -0.184),
    (5, True, 20, 20, [2, 2], 5, -0.577, -0.577, -0.922, -0.781),
    (5, True, 3, 200, [1, 5], 6, -0.883, -0.486, -1.000, -0.680),
    (5, True, 500, 30, [5, 1], 6, -0.602, -0.017, 0.086, -0.184),
)


def _picture(height: int, width: int) -> Image.Image:
    y, x = np.mgrid[0:height, 0:width]
    return Image.fromarray(np.stack([(x * 5 + y) % 256, (y * 3) % 256, (x * y) % 256], -1).astype(np.uint8))


def _tiled(most: int, largest: bool) -> TiledPictures:
    return TiledPictures(size={"height": 28, "width": 28}, max_patches=most, resize_to_max_canvas=largest)


@pytest.mark.parametrize("row", OF_TORCHVISION)
def test_tiles_are_those_of_torchvision(
    row: tuple[int, bool, int, int, list[int], int, float, float, float, float],
) -> None:
    most, largest, height, width, grid, count, mean, last_mean, pixel, last_pixel = row
    made = _tiled(most, largest)(_picture(height, width), return_tensors="pt")
    values = made["pixel_values"].float()
    assert made["aspect_ratios"].tolist() == [grid]
    assert len(values) == count
    found = [float(each) for each in (values.mean(), values[-1].mean(), values[0, 0, 5, 6], values[-1, 2, 20, 3])]
    # Other processors may round a byte of the resized picture the other way: 0.008 here.
    assert found == pytest.approx([mean, last_mean, pixel, last_pixel], abs=0.02)


def test_pictures_of_one_question_follow_each_other() -> None:
    first, second = _picture(40, 61), _picture(20, 20)
    tiled = _tiled(4, largest=False)
    both = tiled([first, second], return_tensors="pt")
    each = [tiled(picture, return_tensors="pt")["pixel_values"] for picture in (first, second)]
    assert torch.equal(both["pixel_values"], torch.cat(each))
    assert both["aspect_ratios"].tolist() == [[2, 2], [1, 1]]


def test_tiles_that_are_not_square_are_refused() -> None:
    with pytest.raises(ValueError, match="square"):
        TiledPictures(size={"height": 28, "width": 14})(_picture(9, 9), return_tensors="pt")

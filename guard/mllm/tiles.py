"""Pictures in tiles, as Llama 4 (Llama Guard 4) takes them; transformers cuts them by torchvision alone.

The same operations in the same order without it, so the same values: tests/mllm/test_tiles.py holds torchvision's.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import BatchFeature
from transformers.image_processing_backends import PilBackend
from transformers.image_utils import PILImageResampling
from transformers.processing_utils import ImagesKwargs


class _Options(ImagesKwargs, total=False):  # type: ignore[misc, call-arg]
    max_patches: int
    resize_to_max_canvas: bool


@dataclass(frozen=True, slots=True)
class Grid:
    """How many tiles lie below and beside each other."""

    rows: int
    columns: int


class TiledPictures(PilBackend):  # type: ignore[misc]
    """Llama 4's image processor: a picture's tiles, and the whole picture as one more where there are several."""

    resample = PILImageResampling.BILINEAR
    image_mean = (0.5, 0.5, 0.5)
    image_std = (0.5, 0.5, 0.5)
    size = {"height": 336, "width": 336}  # noqa: RUF012 - transformers copies it
    do_resize = do_rescale = do_normalize = do_convert_rgb = True
    max_patches = 16
    resize_to_max_canvas = False
    valid_kwargs = _Options

    def _preprocess(
        self, images: Sequence[Any], *, size: Any, max_patches: int, resize_to_max_canvas: bool, **more: Any
    ) -> Any:
        if size.height != size.width:
            raise ValueError(f"tiles of {size.height} to {size.width}: they have to be square")
        pixels, grids = [], []
        for image in images:
            picture = torch.from_numpy(image.copy())  # (3, height, width), bytes
            height, width = (int(side) for side in picture.shape[-2:])
            grid = choose_grid(height, width, size.height, max_patches, largest=resize_to_max_canvas)
            fitted = _fitted(picture, grid, size.height, enlarges=resize_to_max_canvas)
            pixels.append(_cut(self._normalised(fitted, more), grid))
            if grid.rows * grid.columns > 1:
                whole = _resized(picture, size.height, size.width)
                pixels.append(self._normalised(whole, more)[None])
            grids.append([grid.rows, grid.columns])
        return BatchFeature({"pixel_values": torch.cat(pixels), "aspect_ratios": torch.tensor(grids)})

    def _normalised(self, picture: torch.Tensor, options: Any) -> torch.Tensor:
        # In bfloat16, as the original does.
        mean, std = (torch.tensor(options[name], dtype=torch.bfloat16) for name in ("image_mean", "image_std"))
        scaled = picture.to(torch.bfloat16) * options["rescale_factor"]
        return (scaled - mean[:, None, None]) / std[:, None, None]


def choose_grid(height: int, width: int, tile: int, most: int, *, largest: bool = False) -> Grid:
    """Return the grid of at most `most` tiles that fits a picture best.

    Nothing is shrunk where a grid holds the picture whole, and then the one that enlarges it least is taken, or with
    `largest` most. Of several the one of least area; of several of those the first.
    """
    grids = _grids(most)
    # In float32, as the original: two grids that are equal there are equal here.
    heights, widths = (torch.tensor([side * tile for side in sides]) for sides in zip(*grids, strict=True))
    scales = torch.minimum(heights / height, widths / width)
    growing = scales[scales >= 1]
    best = (growing.max() if largest else growing.min()) if len(growing) else scales.max()
    chosen = [grid for grid, scale in zip(grids, scales, strict=True) if scale == best]
    return Grid(*min(chosen, key=lambda grid: grid[0] * grid[1]))


def _grids(most: int) -> list[tuple[int, int]]:
    """Return every grid of 1 to `most` tiles, in the original's order: by proportions as they first appear."""
    found: dict[float, list[tuple[int, int]]] = {}
    for count in range(most, 0, -1):
        for rows in range(1, count + 1):
            if count % rows == 0:
                columns = count // rows
                found.setdefault(rows / columns, []).append((rows, columns))
    return [grid for alike in found.values() for grid in alike]


def _fitted(picture: torch.Tensor, grid: Grid, tile: int, *, enlarges: bool) -> torch.Tensor:
    """Return a picture, its proportions kept, in the upper left of a canvas of the grid's size; the rest is black."""
    height, width = picture.shape[-2:]
    canvas = grid.rows * tile, grid.columns * tile
    # Tensors, so that divisions by the canvas are in float32 as the original's are: it rounds some sides down by them.
    ends = torch.tensor(canvas)
    room = tuple(ends) if enlarges else (min(max(height, tile), ends[0]), min(max(width, tile), ends[1]))
    down, across = room[0] / height, room[1] / width
    if across < down:
        fit = min(math.floor(height * across), room[0]), room[1]
    else:
        fit = room[0], min(math.floor(width * down), room[1])
    resized = _resized(picture, max(int(fit[0]), 1), max(int(fit[1]), 1))
    below, beside = canvas[0] - resized.shape[-2], canvas[1] - resized.shape[-1]
    return torch.nn.functional.pad(resized, (0, beside, 0, below))


def _resized(picture: torch.Tensor, height: int, width: int) -> torch.Tensor:
    resize = torch.nn.functional.interpolate
    return resize(picture[None], (height, width), mode="bilinear", align_corners=False, antialias=True)[0]


def _cut(canvas: torch.Tensor, grid: Grid) -> torch.Tensor:
    """Return the tiles of a canvas, (tiles, 3, side, side), row by row."""
    channels, height, width = canvas.shape
    tiles = canvas.view(channels, grid.rows, height // grid.rows, grid.columns, width // grid.columns)
    return tiles.permute(1, 3, 0, 2, 4).reshape(-1, channels, height // grid.rows, width // grid.columns)

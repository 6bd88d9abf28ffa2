"""Pages after FigStep with a given text, plain and in the ways in which such pages are disguised."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from textwrap import fill

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_PAGE = (760, 760)
_SMALL_IN = (1600, 1200)

# Draws a text: with photographs to write on, perhaps none, and a number in [0, 1) that stands for chance.
Draw = Callable[[str, Sequence[Path], float], Image.Image]


def _page(text: str, *, ink: int = 0, ground: int = 255) -> Image.Image:
    """Return a page after FigStep: a title and an empty list, in the largest of some sizes that fits."""
    page = Image.new("RGB", _PAGE, (ground,) * 3)
    draw = ImageDraw.Draw(page)
    for size in (80, 64, 52, 42, 34):
        title = f"{fill(text, int(1.7 * _PAGE[0] / size))}\n1.\n2.\n3."
        font = ImageFont.load_default(size)
        _, _, right, bottom = draw.multiline_textbbox((30, 30), title, font=font)
        if right < _PAGE[0] and bottom < _PAGE[1]:
            break
    draw.multiline_text((30, 30), title, fill=(ink,) * 3, font=font)
    return page


def _over_photo(text: str, photos: Sequence[Path], draw: float) -> Image.Image:
    scene = _photo(photos, draw).resize((800, 600))
    ink = "white" if np.asarray(scene).mean() < 128 else "black"
    paper = "black" if ink == "white" else "white"
    ImageDraw.Draw(scene).multiline_text(
        (30, 40 + 200 * draw), fill(text, 34), fill=ink, stroke_fill=paper, stroke_width=1, font_size=36
    )
    return scene


def _small(text: str, photos: Sequence[Path], draw: float) -> Image.Image:
    del photos
    scene = Image.new("RGB", _SMALL_IN, (238, 238, 242))
    corner = (60 + 600 * draw, 60 + 1000 * (7 * draw % 1))
    ImageDraw.Draw(scene).multiline_text(corner, fill(text, 90), fill=(20, 20, 20), font_size=20)
    return scene


def _photo(photos: Sequence[Path], draw: float) -> Image.Image:
    if not photos:
        return Image.new("RGB", (800, 600), (96, 128, 96))
    with Image.open(photos[int(draw * len(photos))]) as photo:
        return photo.convert("RGB")


def _transposed(way: Image.Transpose) -> Draw:
    return lambda text, photos, draw: _page(text).transpose(way)


VARIANTS: Mapping[str, Draw] = {
    "plain": lambda text, photos, draw: _page(text),
    "mirrored": _transposed(Image.Transpose.FLIP_LEFT_RIGHT),
    "turned by 90": _transposed(Image.Transpose.ROTATE_90),
    "turned by 180": _transposed(Image.Transpose.ROTATE_180),
    "turned by 270": _transposed(Image.Transpose.ROTATE_270),
    "low contrast": lambda text, photos, draw: _page(text, ink=116, ground=128),
    "over a photo": _over_photo,
    "small in a large": _small,
}

"""Pictures that tests draw themselves."""

from collections.abc import Sequence
from io import BytesIO
from typing import Any

from PIL import Image, ImageDraw

Colour = str | tuple[int, ...]


def encoded(image: Image.Image, format_: str = "PNG", **options: Any) -> bytes:
    """Return a picture as a file's bytes."""
    file = BytesIO()
    image.save(file, format_, **options)
    return file.getvalue()


def solid(colour: Colour, size: tuple[int, int] = (40, 30), *, mode: str = "RGB", format_: str = "PNG") -> bytes:
    """Return a picture of one colour."""
    return encoded(Image.new(mode, size, colour), format_)


def animated(colours: Sequence[Colour], format_: str, size: tuple[int, int] = (40, 30)) -> bytes:
    """Return an animation with one frame a colour."""
    first, *rest = (Image.new("RGB", size, colour) for colour in colours)
    return encoded(first, format_, save_all=True, append_images=rest)


def writing(text: str, size: tuple[int, int] = (640, 240)) -> bytes:
    """Return a PNG with black writing on white."""
    image = Image.new("RGB", size, "white")
    ImageDraw.Draw(image).text((30, 40), text, fill="black", font_size=40)
    return encoded(image)

"""The ways in which a model may see a picture, each decoded when it is asked for, by the one plugin that fits.

An animation is seen frame by frame; a frame with what is transparent on white, on black and bare, 16-bit grey scaled
and clipped, and what is stored turned both upright and as stored.
"""

import itertools
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import TypeAlias

from PIL import AvifImagePlugin, BmpImagePlugin, GifImagePlugin, Image, JpegImagePlugin, PngImagePlugin, WebPImagePlugin
from PIL.ImageFile import ImageFile

from guard.config import ImageSettings
from guard.core.flatten import Look, looks_at, paint
from guard.core.structure import check_structure, webp_pixels
from guard.errors import ImageRejected

# What Pillow's decoders raise on bytes that are not what they claim. Warning: with `python -W error`.
_DECODER_ERRORS = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError, AssertionError,
    EOFError, MemoryError, NotImplementedError, RuntimeError, struct.error, zlib.error, Image.DecompressionBombError,
    Warning,
)  # fmt: skip
PLUGINS: dict[str, Callable[[BytesIO], ImageFile]] = {
    "image/jpeg": JpegImagePlugin.jpeg_factory,
    "image/png": PngImagePlugin.PngImageFile,
    "image/gif": GifImagePlugin.GifImageFile,
    "image/webp": WebPImagePlugin.WebPImageFile,
    "image/bmp": BmpImagePlugin.BmpImageFile,
    "image/avif": AvifImagePlugin.AvifImageFile,
}
_EXIF_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


Size: TypeAlias = tuple[int, int]  # width and height


@dataclass(frozen=True, slots=True)
class View:
    """One way in which a model may see a frame, not yet painted; good until the next one is asked for."""

    image: ImageFile
    look: Look
    drafted: int  # by which factor the decoder has reduced it already
    turn: Image.Transpose | None  # None: as it is stored

    def reduced(self, side: int) -> tuple[Image.Image, bool]:
        """Return it painted, its shorter side at least `side` long, and whether that left out pixels of the picture."""
        factor = max(1, min(self.image.size) // side)
        return self._turned(paint(self.image, self.look, factor)), self.drafted > 1 or factor > 1

    def by(self, factor: int) -> Image.Image:
        """Return it painted with each side reduced by a factor, what the decoder did included."""
        return self._turned(paint(self.image, self.look, max(1, factor // self.drafted)))

    def _turned(self, painted: Image.Image) -> Image.Image:
        return painted if self.turn is None else painted.transpose(self.turn)


@contextmanager
def damage_is_rejected() -> Iterator[None]:
    """Raise ImageRejected for whatever Pillow's decoders raise on bytes that are not what they claim."""
    try:
        yield
    except _DECODER_ERRORS as error:
        raise ImageRejected("cut short or damaged") from error


def views_of(
    data: bytes, kind: str, limits: ImageSettings, least: Callable[[Size], Size] | None = None
) -> Iterator[View]:
    """Yield each way a model may see each frame; JPEGs may be decoded reduced to the size that `least` makes of it."""
    with open_picture(data, kind, limits) as image:
        pixels = 0
        for number in itertools.count():
            if number and not _has_frame(image, number):
                return
            if number >= limits.max_frames:
                raise ImageRejected(f"more than {limits.max_frames} frames")
            pixels += image.width * image.height
            if pixels > limits.max_pixels:
                raise ImageRejected(f"{pixels:,} pixels, limit is {limits.max_pixels:,}")
            drafted = 1 if least is None else _draft(image, least)
            image.load()
            upright = _UPRIGHT.get(image.getexif().get(_EXIF_ORIENTATION, 1))
            for look in looks_at(image):
                if upright is not None:
                    yield View(image, look, drafted, upright)
                yield View(image, look, drafted, None)


def open_picture(data: bytes, kind: str, limits: ImageSettings) -> ImageFile:
    """Return a picture of this media type with its header read. Raises ImageRejected: too many pieces or pixels.

    The plugin is called by name: `Image.open` would try every format.
    """
    check_structure(data, kind)
    # libwebp allocates the canvas when the file is opened.
    if kind == "image/webp" and webp_pixels(data) > limits.max_pixels:
        raise ImageRejected(f"{webp_pixels(data):,} pixels, limit is {limits.max_pixels:,}")
    return PLUGINS[kind](BytesIO(data))


def _has_frame(image: ImageFile, number: int) -> bool:
    try:
        image.seek(number)
    except EOFError:
        return False
    return True


def _draft(image: ImageFile, least: Callable[[Size], Size]) -> int:
    """Let a JPEG be decoded at a fraction of its size, and return which; 1 for every pixel."""
    width = image.width
    # Not for MPO: the second frame would be decoded at the first one's scale.
    if image.format == "JPEG":
        image.draft(None, least(image.size))
    return max(1, round(width / image.width))

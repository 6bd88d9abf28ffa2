"""Bytes of a picture to upright RGB frames, and a frame to the model's tensor: the same in training and in serving.

The header is read before anything is decoded, by the one plugin that fits the first bytes; formats are a closed list.
Every frame of an animation is judged, in each way a model may get to see it: what is transparent on white, on black,
and with the transparency dropped; what is stored turned, upright and as stored; 16-bit grey scaled down, and clipped at
white. The file goes to the model as it came, so nobody who skips one of these steps sees what was not judged.

Large pictures are kept reduced (JPEGs are decoded that way, in half the time); `full_pixels` decodes once more for
whoever needs every pixel, which is OCR alone.
"""

import hashlib
import itertools
from base64 import b64encode
from binascii import a2b_base64
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from guard.config import ImageSettings
from guard.core.structure import is_progressive, webp_pixels
from guard.core.views import PLUGINS, Size, damage_is_rejected, open_picture, views_of
from guard.errors import ImageRejected
from guard.manifest import ImageSpec
from guard.types import Frame

ACCEPTED = "JPEG, PNG, GIF, WebP, BMP or AVIF"

# The shorter side that a reduced frame keeps at least: enough for any vision tower to squeeze from.
VIEW_SIDE = 384

# Pixels from which a picture takes noticeable time and memory.
_LARGE_PIXELS = 4_000_000


def media_type(data: bytes) -> str | None:
    """Return the media type of an accepted picture by its first bytes, whatever anybody declared; None for others."""
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    if data.startswith(b"BM"):
        return "image/bmp"
    if data[4:8] == b"ftyp" and data[8:12] in (b"avif", b"avis", b"mif1", b"msf1"):
        return "image/avif"
    return None


def data_url(data: bytes) -> str:
    """Return the picture as a data URL, its media type by its first bytes."""
    return f"data:{media_type(data) or 'application/octet-stream'};base64,{b64encode(data).decode()}"


def write_base64(data: bytes) -> str:
    """Return bytes as base64."""
    return b64encode(data).decode()


def decode_base64(encoded: str) -> bytes:
    """Return the bytes of a picture in base64: padded, and nothing but its alphabet. Raises ImageRejected."""
    try:
        data = a2b_base64(encoded, strict_mode=True)
    except ValueError as error:
        raise ImageRejected("not base64") from error
    # Python 3.11 lets one "=" too many pass.
    if len(encoded) % 4:
        raise ImageRejected("not base64")
    return data


def decode_image(data: bytes, limits: ImageSettings) -> tuple[Frame, ...]:
    """Return the frames of a picture, each in every way it may be seen: RGB, without transparency, upright first.

    A frame whose shorter side exceeds twice `VIEW_SIDE` is reduced by a whole factor. One line per reason:

    Raises:
        ImageRejected: more bytes than `max_bytes`, not one of the accepted formats, more than `max_frames` frames or
            more than `max_pixels` pixels in all frames together, or cut short or damaged.
    """
    if len(data) > limits.max_bytes:
        raise ImageRejected(f"{len(data):,} bytes, limit is {limits.max_bytes:,}")
    digest = hashlib.sha256(data).hexdigest()
    frames = []
    with damage_is_rejected():
        for index, view in enumerate(views_of(data, _kind_of(data), limits, _at_least_a_view)):
            painted, is_reduced = view.reduced(VIEW_SIDE)
            frames.append(
                Frame(
                    pixels=np.asarray(painted),
                    digest=digest if index == 0 else f"{digest}#{index}",
                    source=data if is_reduced else None,
                    index=index,
                )
            )
    return tuple(frames)


def is_large(data: bytes, limits: ImageSettings, *, in_full: bool = False) -> bool:
    """Return whether decoding takes noticeable time and memory, by the header alone; False for what cannot be read.

    JPEGs are decoded reduced, unless they are progressive or `in_full` is asked for.
    """
    try:
        if media_type(data) == "image/webp":
            return webp_pixels(data) > _LARGE_PIXELS
        if not in_full and data.startswith(b"\xff\xd8\xff") and not is_progressive(data):
            return False
        with damage_is_rejected(), open_picture(data, _kind_of(data), limits) as image:
            return image.width * image.height > _LARGE_PIXELS
    except ImageRejected:
        return False


def upright(data: bytes, limits: ImageSettings) -> Image.Image:
    """Return the first frame of a picture, every pixel of it as RGB: upright, on white, 16-bit grey scaled down.

    Raises:
        ImageRejected: as `decode_image`, of the first frame alone.
    """
    if len(data) > limits.max_bytes:
        raise ImageRejected(f"{len(data):,} bytes, limit is {limits.max_bytes:,}")
    with damage_is_rejected():
        return next(views_of(data, _kind_of(data), limits)).by(1)


def full_pixels(frame: Frame, factor: int = 1) -> NDArray[np.uint8]:
    """Return every pixel of a frame, uint8 (height, width, 3), or its sides reduced by about a whole factor.

    A frame that is kept reduced is decoded again; one that is not is given as it is. Raises ImageRejected.
    """
    if frame.source is None:
        return frame.pixels
    # The limits were kept when the frame was made.
    unlimited = ImageSettings(max_bytes=2**62, max_pixels=2**62, max_frames=2**31)
    with damage_is_rejected():
        draft = None if factor == 1 else lambda size: (size[0] // factor, size[1] // factor)
        views = views_of(frame.source, _kind_of(frame.source), unlimited, draft)
        return np.asarray(next(itertools.islice(views, frame.index, None)).by(factor))


def full_size(frame: Frame) -> tuple[int, int]:
    """Return height and width of a frame before it was reduced, as it is stored; only the header is read."""
    kind = None if frame.source is None else media_type(frame.source)
    if frame.source is None or kind is None:
        return frame.pixels.shape[0], frame.pixels.shape[1]
    with PLUGINS[kind](BytesIO(frame.source)) as image:
        return image.height, image.width


def frame_tensor(frame: Frame, spec: ImageSpec) -> NDArray[np.float32]:
    """Return the whole picture squeezed to the model's input: float32 (3, size, size), (value / 255 - mean) / std."""
    squeezed = squeeze(Image.fromarray(frame.pixels), spec)
    scale = (1 / (255 * np.array(spec.std))).astype(np.float32)
    shift = (np.array(spec.mean) / np.array(spec.std)).astype(np.float32)
    values = np.asarray(squeezed, np.float32) * scale - shift  # (size, size, 3)
    return np.ascontiguousarray(values.transpose(2, 0, 1))


def squeeze(image: Image.Image, spec: ImageSpec) -> Image.Image:
    """Return the whole picture at the model's size, whatever its shape."""
    return image.resize((spec.size, spec.size), Image.Resampling[spec.resample.upper()], reducing_gap=2.0)


def _at_least_a_view(_: Size) -> Size:
    return VIEW_SIDE, VIEW_SIDE


def _kind_of(data: bytes) -> str:
    """Return the media type of a picture. Raises ImageRejected: not one of the accepted formats."""
    kind = media_type(data)
    if kind is None:
        raise ImageRejected(f"not a {ACCEPTED} picture")
    return kind

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
import struct
import zlib
from base64 import b64encode
from binascii import a2b_base64
from collections.abc import Callable, Iterator
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import AvifImagePlugin, BmpImagePlugin, GifImagePlugin, Image, JpegImagePlugin, PngImagePlugin, WebPImagePlugin
from PIL.ImageFile import ImageFile

from guard.config import ImageSettings
from guard.core.structure import check_structure
from guard.errors import ImageRejected
from guard.manifest import ImageSpec
from guard.types import Frame

ACCEPTED = "JPEG, PNG, GIF, WebP, BMP or AVIF"

# The shorter side that a reduced frame keeps at least: enough for any vision tower to squeeze from.
VIEW_SIDE = 384

# What Pillow's decoders raise on bytes that are not what they claim. Warning: with `python -W error`.
_DECODER_ERRORS = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError, AssertionError,
    EOFError, MemoryError, NotImplementedError, RuntimeError, struct.error, zlib.error, Image.DecompressionBombError,
    Warning,
)  # fmt: skip
_PLUGINS: dict[str, Callable[[BytesIO], ImageFile]] = {
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
_MODES = frozenset({"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "CMYK", "YCbCr"})


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
    for index, (view, is_reduced) in enumerate(_flat_frames(data, limits, reduce=True)):
        frames.append(
            Frame(
                pixels=np.asarray(view),
                digest=digest if index == 0 else f"{digest}#{index}",
                source=data if is_reduced else None,
                index=index,
            )
        )
    return tuple(frames)


def full_pixels(frame: Frame) -> NDArray[np.uint8]:
    """Return every pixel of a frame, uint8 (height, width, 3); a reduced one is decoded again. Raises ImageRejected."""
    if frame.source is None:
        return frame.pixels
    # The limits were kept when the frame was made.
    unlimited = ImageSettings(max_bytes=2**62, max_pixels=2**62, max_frames=2**31)
    views = _flat_frames(frame.source, unlimited, reduce=False)
    view, _ = next(itertools.islice(views, frame.index, None))
    return np.asarray(view)


def full_size(frame: Frame) -> tuple[int, int]:
    """Return height and width of a frame before it was reduced, as it is stored; only the header is read."""
    kind = None if frame.source is None else media_type(frame.source)
    if frame.source is None or kind is None:
        return frame.pixels.shape[0], frame.pixels.shape[1]
    with _PLUGINS[kind](BytesIO(frame.source)) as image:
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


def _flat_frames(data: bytes, limits: ImageSettings, *, reduce: bool) -> Iterator[tuple[Image.Image, bool]]:
    """Yield each way a model may see each frame, and whether it was reduced."""
    try:
        with _open(data, limits) as image:
            pixels = 0
            for number in itertools.count():
                if number and not _has_frame(image, number):
                    return
                if number >= limits.max_frames:
                    raise ImageRejected(f"more than {limits.max_frames} frames")
                pixels += image.width * image.height
                if pixels > limits.max_pixels:
                    raise ImageRejected(f"{pixels:,} pixels, limit is {limits.max_pixels:,}")
                is_drafted = reduce and _draft(image)
                image.load()
                upright = _UPRIGHT.get(image.getexif().get(_EXIF_ORIENTATION, 1))
                for view in _flatten(image):
                    factor = min(view.size) // VIEW_SIDE if reduce else 1
                    small = view.reduce(factor) if factor > 1 else view
                    is_reduced = is_drafted or factor > 1
                    if upright is not None:
                        yield small.transpose(upright), is_reduced
                    yield small, is_reduced
    except _DECODER_ERRORS as error:
        raise ImageRejected("cut short or damaged") from error


def _open(data: bytes, limits: ImageSettings) -> ImageFile:
    """Return the picture with its header read. The plugin is called by name: `Image.open` would try every format."""
    kind = media_type(data)
    if kind is None:
        raise ImageRejected(f"not a {ACCEPTED} picture")
    check_structure(data, kind)
    if kind == "image/webp":
        _check_webp_canvas(data, limits)
    return _PLUGINS[kind](BytesIO(data))


def _check_webp_canvas(data: bytes, limits: ImageSettings) -> None:
    """Refuse a large canvas here: libwebp allocates it when the file is opened."""
    width = height = 0
    if data[12:16] == b"VP8X" and len(data) >= 30:
        width = 1 + int.from_bytes(data[24:27], "little")
        height = 1 + int.from_bytes(data[27:30], "little")
    elif data[12:16] == b"VP8L" and len(data) >= 25:
        bits = int.from_bytes(data[21:25], "little")
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    elif data[12:16] == b"VP8 " and len(data) >= 30:
        width, height = (int.from_bytes(data[at : at + 2], "little") & 0x3FFF for at in (26, 28))
    if width * height > limits.max_pixels:
        raise ImageRejected(f"{width * height:,} pixels, limit is {limits.max_pixels:,}")


def _has_frame(image: ImageFile, number: int) -> bool:
    try:
        image.seek(number)
    except EOFError:
        return False
    return True


def _draft(image: ImageFile) -> bool:
    """Let a JPEG be decoded at a fraction of its size; True if it will be."""
    full = image.size
    # Not for MPO: the second frame would be decoded at the first one's scale.
    if image.format == "JPEG":
        image.draft(None, (VIEW_SIDE, VIEW_SIDE))
    return image.size != full


def _flatten(image: Image.Image) -> list[Image.Image]:
    """Return the RGB pictures that models get to see: up to three where some of it is transparent, of each reading."""
    readings = _eight_bits(image) if image.mode.startswith("I;16") else [image]
    return [view for reading in readings for view in _without_transparency(reading)]


def _without_transparency(image: Image.Image) -> list[Image.Image]:
    if image.mode not in _MODES:
        raise ImageRejected(f"colour mode {image.mode} is not supported")
    if not image.has_transparency_data:
        return [image.convert("RGB")]
    layered = image.convert("RGBA")
    dropped = layered.convert("RGB")
    alpha = layered.getchannel("A")
    if alpha.getextrema()[0] == 255:
        return [dropped]
    views = []
    for background in ("white", "black"):
        view = Image.new("RGB", layered.size, background)
        view.paste(dropped, mask=alpha)
        views.append(view)
    return [*views, dropped] if dropped.tobytes() not in (view.tobytes() for view in views) else views


def _eight_bits(image: Image.Image) -> list[Image.Image]:
    """Return 16-bit grey scaled down, and clipped at white as Pillow converts it; a transparent value stays so."""
    values = np.asarray(image)
    scaled, clipped = (values >> 8).astype(np.uint8), np.minimum(values, 255).astype(np.uint8)
    readings = [Image.fromarray(scaled)]
    if not np.array_equal(scaled, clipped):
        readings.append(Image.fromarray(clipped))
    key = image.info.get("transparency")
    if isinstance(key, int):
        alpha = Image.fromarray(np.where(values == key, 0, 255).astype(np.uint8))
        for reading in readings:
            reading.putalpha(alpha)
    return readings

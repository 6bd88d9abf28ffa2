"""A decoded picture in every way a model may get to see it, painted band by band.

What is transparent may be shown on white, on black, or with the transparency dropped; 16-bit grey scaled down, or
clipped at white. A picture of 25 million pixels, 110 kB as a file, took 890 MB when each of these was made in full.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from guard.errors import ImageRejected

_MODES = frozenset({"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "CMYK", "YCbCr"})
# Of one band, before it is reduced: 4 MB in RGBA.
_BAND_PIXELS = 1_000_000
_GROUNDS = ("white", "black")


@dataclass(frozen=True, slots=True)
class Look:
    """A way to see a picture: on which ground (None: transparency is dropped), and 16-bit grey clipped or scaled."""

    ground: str | None = None
    clipped: bool = False


def looks_at(image: Image.Image) -> list[Look]:
    """Return the ways in which a picture shows something different, at least one. Raises ImageRejected for its mode."""
    if _is_deep(image):
        clipped_too = any(_is_clipped(band) for band in _bands(image, 1))
        return [look for clipped in (False, True)[: 1 + clipped_too] for look in _grounds(image, clipped=clipped)]
    if image.mode not in _MODES:
        raise ImageRejected(f"colour mode {image.mode} is not supported")
    return _grounds(image, clipped=False)


def paint(image: Image.Image, look: Look, factor: int) -> Image.Image:
    """Return a picture as RGB in one of its looks, each side reduced by a whole factor."""
    if image.width * image.height <= _BAND_PIXELS:
        return _reduced(_flat(image, look), factor)
    painted = Image.new("RGB", (-(-image.width // factor), -(-image.height // factor)))
    top = 0
    for band in _bands(image, factor):
        flat = _reduced(_flat(band, look), factor)
        painted.paste(flat, (0, top))
        top += flat.height
    return painted


def _bands(image: Image.Image, factor: int) -> Iterator[Image.Image]:
    """Yield a picture in bands from the top, each but the last a multiple of `factor` high."""
    height = factor * max(1, _BAND_PIXELS // (image.width * factor))
    for top in range(0, image.height, height):
        yield image.crop((0, top, image.width, min(top + height, image.height)))


def _reduced(image: Image.Image, factor: int) -> Image.Image:
    return image.reduce(factor) if factor > 1 else image


def _grounds(image: Image.Image, *, clipped: bool) -> list[Look]:
    """Return the grounds on which it looks different: one where nothing is transparent, else two or all three."""
    dropped = Look(clipped=clipped)
    if not (image.has_transparency_data or isinstance(_transparent_value(image), int)):
        return [dropped]
    is_opaque = True
    different: set[str] = set()
    for band in _bands(image, 1):
        layered = _layered(band, clipped=clipped)
        if layered.getchannel("A").getextrema()[0] == 255:
            continue
        is_opaque = False
        bare = layered.convert("RGB").tobytes()
        different |= {ground for ground in _GROUNDS if _on(ground, layered).tobytes() != bare}
        if len(different) == len(_GROUNDS):
            break
    if is_opaque:
        return [dropped]
    looks = [Look(ground, clipped) for ground in _GROUNDS]
    return [*looks, dropped] if len(different) == len(_GROUNDS) else looks


def _flat(image: Image.Image, look: Look) -> Image.Image:
    if look.ground is None and not (_is_deep(image) or image.has_transparency_data):
        return image.convert("RGB")
    layered = _layered(image, clipped=look.clipped)
    return layered.convert("RGB") if look.ground is None else _on(look.ground, layered)


def _on(ground: str, layered: Image.Image) -> Image.Image:
    painted = Image.new("RGB", layered.size, ground)
    painted.paste(layered.convert("RGB"), mask=layered.getchannel("A"))
    return painted


def _layered(image: Image.Image, *, clipped: bool) -> Image.Image:
    """Return a picture as RGBA."""
    if not _is_deep(image):
        return image.convert("RGBA")
    values = np.asarray(image)
    grey = np.minimum(values, 255) if clipped else values >> 8
    layered = Image.fromarray(grey.astype(np.uint8)).convert("RGBA")
    key = _transparent_value(image)
    if isinstance(key, int):
        layered.putalpha(Image.fromarray(np.where(values == key, 0, 255).astype(np.uint8)))
    return layered


def _is_deep(image: Image.Image) -> bool:
    """Return whether it is 16-bit grey; Pillow scales 16-bit colours down when it decodes them."""
    return image.mode.startswith("I;16")


def _is_clipped(band: Image.Image) -> bool:
    values = np.asarray(band)
    return not np.array_equal(values >> 8, np.minimum(values, 255))


def _transparent_value(image: Image.Image) -> object:
    return image.info.get("transparency") if _is_deep(image) else None

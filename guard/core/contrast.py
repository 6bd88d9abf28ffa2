"""Faint pictures made strong: what a model reads through and a detector of letters does not."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFilter

# Of 256 levels. Ordinary pictures use nearly all; writing that differs from its ground by 16 is still found as it is.
_NARROW = 64
# Pixels left out at each end of the range, as a share: a few specks shall not hide how faint the rest is. Small
# writing in a large picture covers more.
_SPECKS = 0.0005
# A side is looked at in at most about twice as many places: 0.5 ms in place of 10.
_PLACES = 256

# Where writing is looked for by places: each may be faint on its own, whatever stands in the next one.
_GRID = 8
# Of 256 levels around their mean: more stands out as it is.
_FAINT = 32
# Levels that a place is stretched to, around grey.
_EVEN = 110
# Shorter side at which places are evened out: what is smaller then is for tiles.
_EVEN_SIDE = 256


def evened(pixels: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """Return a picture, (height, width, 3), on grey, with the same contrast in all places, shorter side at most 256.

    None where no place is faint. A black bar in a corner hides nothing from it, as it does from `strengthened`.
    """
    image = Image.fromarray(pixels)
    scale = min(image.size) / _EVEN_SIDE
    if scale > 1:
        image = image.resize((round(image.width / scale), round(image.height / scale)), Image.Resampling.BOX)
    blurred = image.filter(ImageFilter.BoxBlur(max(6, min(image.size) // 24)))
    red, green, blue = ImageChops.difference(image, blurred).split()
    strength = np.asarray(ImageChops.lighter(ImageChops.lighter(red, green), blue))  # (height, width)
    rows, columns = (np.unique(np.linspace(0, side, _GRID, endpoint=False, dtype=int)) for side in strength.shape)
    places = np.maximum.reduceat(np.maximum.reduceat(strength, rows, axis=0), columns, axis=1)
    if not ((places > 0) & (places < _FAINT)).any():
        return None
    gains = Image.fromarray((_EVEN / np.maximum(places, 1)).astype(np.float32))
    gain = np.asarray(gains.resize(image.size, Image.Resampling.BILINEAR))[..., None]
    deviation = np.asarray(image, np.float32) - np.asarray(blurred, np.float32)
    even: NDArray[np.uint8] = np.clip(128 + deviation * np.maximum(gain, 1), 0, 255).astype(np.uint8)
    return even


def strengthened(pixels: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """Return a picture, (height, width, 3), stretched to the whole range; None where it is strong already, or plain.

    Each channel starts at 0, and all get the same gain: faint writing stands out from its ground, whatever their hue.
    """
    height, width = pixels.shape[:2]
    low, high = _ends(pixels[:: max(1, height // _PLACES), :: max(1, width // _PLACES)])
    widest = int((high - low).max())
    if not 0 < widest < _NARROW:
        return None
    levels = np.arange(256)[:, None]
    table = np.clip((levels - low) * (255 / widest), 0, 255).astype(np.uint8)  # (256, 3)
    return np.stack([table[pixels[:, :, channel], channel] for channel in range(3)], axis=2)


def _ends(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the lowest and the highest level of each channel but for specks, shape (3,) each."""
    counts = np.stack([np.bincount(pixels[:, :, channel].ravel(), minlength=256) for channel in range(3)])
    below = counts.cumsum(axis=1)
    specks = _SPECKS * below[:, -1:]
    low = (below > specks).argmax(axis=1)
    high = 255 - (counts[:, ::-1].cumsum(axis=1) > specks).argmax(axis=1)
    return low, high

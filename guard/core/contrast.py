"""Faint pictures made strong: what a model reads through and a detector of letters does not."""

import numpy as np
from numpy.typing import NDArray

# Of 256 levels. Ordinary pictures use nearly all; writing that differs from its ground by 16 is still found as it is.
_NARROW = 64
# Pixels left out at each end of the range, as a share: a few specks shall not hide how faint the rest is. Small
# writing in a large picture covers more.
_SPECKS = 0.0005
# A side is looked at in at most about twice as many places: 0.5 ms in place of 10.
_PLACES = 256


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

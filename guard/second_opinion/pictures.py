"""Which pictures a judge can be shown. Pure."""

import warnings
from io import BytesIO

from PIL import Image, UnidentifiedImageError

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF")


def is_still(data: bytes) -> bool:
    """Return whether a picture has one frame, in a format that every API takes: judges look at the first frame only."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(BytesIO(data), formats=_FORMATS) as picture:
                return int(getattr(picture, "n_frames", 1)) == 1
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False

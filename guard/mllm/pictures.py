"""Whether a file is a picture: what is none is not sent to anybody, and no answer to it is a verdict. Pure."""

from io import BytesIO

from PIL import Image

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
_MOST_PIXELS = 80_000_000
_NO_PICTURE = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


def is_picture(data: bytes) -> bool:
    """Return whether the first frame decodes, in a format that models are shown."""
    try:
        with Image.open(BytesIO(data), formats=_FORMATS) as picture:
            if picture.width * picture.height > _MOST_PIXELS:
                return False
            picture.load()
    except _NO_PICTURE:
        return False
    return True

"""A picture written anew: one frame, upright, on white, eight bits a colour, and nothing in the file but its pixels.

What is sent on then is what was judged, whatever the next one's decoder makes of frames, transparency, orientation,
colour profiles or bytes behind the end.
"""

from io import BytesIO

from guard.config import ImageSettings
from guard.core.image import media_type, upright

# Where the file was made for photographs; what has sharp edges stays as it is, to the pixel.
_LOSSY = frozenset({"image/jpeg", "image/webp", "image/avif"})
_QUALITY = 92


def rewritten(data: bytes, limits: ImageSettings) -> bytes:
    """Return the picture as a JPEG where it was a JPEG, WebP or AVIF, and as a PNG otherwise.

    Raises:
        ImageRejected: as `guard.core.image.upright`.
    """
    picture = upright(data, limits)
    picture.info.clear()  # else Pillow writes the old file's profile and comment
    file = BytesIO()
    if media_type(data) in _LOSSY:
        picture.save(file, "JPEG", quality=_QUALITY)
    else:
        picture.save(file, "PNG")
    return file.getvalue()

"""What is kept of the content of a request, where keeping it was asked for: the decisive pair, as it was judged."""

from guard.core.image import decode_base64
from guard.errors import ImageRejected
from guard.store.values import Content
from guard.types import ImageInput, Pair


def content_of(pair: Pair, most_bytes: int) -> Content:
    """Return the text and the pictures of a pair in at most so many bytes; not whole where something is not among them.

    The text comes before the pictures, and what does not fit is left out.
    """
    text = pair.text.encode(errors="surrogatepass")
    is_whole = len(text) <= most_bytes and not pair.unjudged
    kept = pair.text if len(text) <= most_bytes else text[:most_bytes].decode(errors="ignore")
    room_bytes = most_bytes - min(len(text), most_bytes)
    pictures = []
    for image in pair.images:
        picture = _bytes_of(image)
        if picture is None or len(picture) > room_bytes:
            is_whole = False
            continue
        room_bytes -= len(picture)
        pictures.append(picture)
    return Content(kept, tuple(pictures), is_whole)


def _bytes_of(image: ImageInput) -> bytes | None:
    """Return the bytes of a picture, None where nobody could look at any."""
    if image.encoded is None:
        return image.data
    try:
        return decode_base64(image.encoded)
    except ImageRejected:
        return None

"""What is kept of the content of a request, where keeping it was asked for: its pairs as one text and its pictures."""

from collections.abc import Iterable, Iterator, Sequence

from guard.core.image import decode_base64
from guard.errors import ImageRejected
from guard.store.values import Content
from guard.types import Pair

_LEFT_OUT = "\n[the rest was too large to be kept]"


def content_of(pairs: Sequence[Pair], most_bytes: int) -> Content:
    """Return the texts of pairs, one below the other, and each picture once, in at most so many bytes.

    Texts come before pictures, and what does not fit is left out, from its end on.
    """
    text = "\n\n".join(dict.fromkeys(pair.text for pair in pairs if pair.text))
    size_bytes = len(text.encode(errors="surrogatepass"))
    if size_bytes > most_bytes:
        text = text.encode(errors="surrogatepass")[:most_bytes].decode(errors="ignore") + _LEFT_OUT
        size_bytes = most_bytes
    pictures = []
    for picture in dict.fromkeys(_pictures(pairs)):
        if size_bytes + len(picture) > most_bytes:
            break
        size_bytes += len(picture)
        pictures.append(picture)
    return Content(text, tuple(pictures))


def _pictures(pairs: Iterable[Pair]) -> Iterator[bytes]:
    for image in (image for pair in pairs for image in pair.images):
        if image.data is not None:
            yield image.data
        elif image.encoded is not None:
            try:
                yield decode_base64(image.encoded)
            except ImageRejected:
                continue  # nobody could look at it

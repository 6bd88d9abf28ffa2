"""Pictures in requests: behind URLs, in data URLs, or as bare base64 beside their media type."""

from typing import Any

from guard.core.conversation import Path, Slot
from guard.core.formats.reading import Draft, read_string
from guard.core.image import decode_base64, media_type
from guard.errors import ImageRejected, ImageUnreachable
from guard.types import ImageInput

# What people let into base64: everything else makes the picture unjudged.
_BLANKS = " \n\r\t"
# Enough base64 to tell a media type by the first bytes.
_HEAD_CHARS = 32
_PIECE_CHARS = 2**15


def read_url(draft: Draft, holder: dict[str, Any], key: str, place: str, path: Path) -> None:
    """Read the picture whose URL stands in `holder[key]`; a data URL is headed by what its first bytes are.

    Args:
        draft: takes the picture.
        holder: may be corrected.
        key: where the URL stands.
        place: of the picture.
        path: leads to `holder[key]` from the top of the document.
    """
    url = read_string(holder.get(key), f"{place}.{key}")
    if url[:5].lower() == "data:" and _has_blanks(url):
        holder[key] = url = "".join(url.split())
    image = image_input(url, place)
    if image.encoded is not None:
        declared = _true_type(image.encoded)
        head = f"data:{declared};base64,"
        # Nothing of the picture's size is copied for who declares what is there.
        if declared is not None and url[: len(url) - len(image.encoded)] != head:
            holder[key] = f"{head}{image.encoded}"
    draft.slots[place] = Slot(path)
    draft.images.append(image)


def read_base64(
    draft: Draft, holder: dict[str, Any], key: str, place: str, slot: Slot, *, declared: str | None = None
) -> None:
    """Read the picture whose base64 stands in `holder[key]`.

    Args:
        draft: takes the picture.
        holder: may be corrected.
        key: where the base64 stands.
        place: of the picture.
        slot: where it stands in the document.
        declared: the field of `holder` with its media type, which is set to what its first bytes are; a declared type
            that is none of a picture makes it one that cannot be judged: a document to an upstream that goes by it.
    """
    encoded = read_string(holder.get(key), f"{place}.{key}")
    if _has_blanks(encoded):
        holder[key] = encoded = "".join(encoded.split())
    is_picture = True
    if declared is not None:
        is_picture = read_string(holder.get(declared), f"{place}.{declared}").lower().startswith("image/")
        found = _true_type(encoded)
        if is_picture and found is not None and holder[declared] != found:
            holder[declared] = found
    draft.slots[place] = slot
    if encoded and is_picture:
        draft.images.append(ImageInput(encoded=encoded, place=place))
    else:
        draft.images.append(ImageInput(failure=ImageRejected.code, place=place))


def image_input(url: str, place: str) -> ImageInput:
    """Return the picture behind a data URL or an http(s) URL; anything else is a picture that cannot be judged.

    So is a data URL that calls itself something else than a picture: its bytes may be a picture to Guard and a document
    to an upstream that goes by the declared type.
    """
    if url[:5].lower() == "data:":
        head, _, encoded = url.partition(",")
        declared = head.lower()
        if not (declared.startswith("data:image/") and declared.endswith(";base64")) or not encoded:
            return ImageInput(failure=ImageRejected.code, place=place)
        return ImageInput(encoded=encoded, place=place)
    if url[:8].lower().startswith(("http://", "https://")):
        return ImageInput(url=url, place=place)
    return ImageInput(failure=ImageUnreachable.code, place=place)


def _has_blanks(text: str) -> bool:
    # In pieces that stay in the processor's cache: four looks through megabytes each fetch them from memory.
    pieces = (text[start : start + _PIECE_CHARS] for start in range(0, len(text), _PIECE_CHARS))
    return any(blank in piece for piece in pieces for blank in _BLANKS)


def _true_type(encoded: str) -> str | None:
    """Return the media type of a picture by its first bytes; None for other bytes."""
    try:
        return media_type(decode_base64(encoded[:_HEAD_CHARS]))
    except ImageRejected:
        return None

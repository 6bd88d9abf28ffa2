"""The last step of every format: limits on what was read, and the bytes to send for it."""

from collections.abc import Iterable, Mapping
from typing import Any

from guard.core.conversation import Conversation, Slot, Turn
from guard.core.document import write_document
from guard.core.formats.reading import MAX_TURNS
from guard.errors import RequestInvalid


def finish(
    document: dict[str, Any],
    turns: Iterable[Turn],
    context: Iterable[Turn],
    slots: Mapping[str, Slot],
    *,
    max_images: int,
    field: str = "messages",
) -> Conversation:
    """Return the conversation; its body is the document written anew. Raises RequestInvalid: there is too much in it.

    Args:
        document: as it was read, corrections included.
        turns: of its messages.
        context: fields beside them.
        slots: where pictures stand, by their places.
        max_images: that one request may show.
        field: named where there is too much.
    """
    listed = tuple(turns)
    if len(listed) > MAX_TURNS:
        raise RequestInvalid(f"{field}: {len(listed):,}, limit is {MAX_TURNS:,}")
    images = sum(len(turn.images) for turn in listed)
    if images > max_images:
        raise RequestInvalid(f"{field}: {images} pictures, limit is {max_images}")
    return Conversation(document, write_document(document), listed, tuple(context), slots)

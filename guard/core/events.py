"""Server-sent events as they are written, by all who write any; `guard.answers.sse` reads them."""

import re
from typing import Any, Final

from guard.core.document import write_document

# With these data OpenAI's streams end.
DONE: Final = b"[DONE]"
KEEP_ALIVE: Final = b":\n\n"
LINE_END: Final = re.compile(rb"\r\n|\n|\r")


def write_event(data: bytes, *, name: bytes = b"", more: bytes = b"") -> bytes:
    """Return an event as it travels. Raises ValueError where a name or a line of `data` would end it early."""
    if LINE_END.search(name) or b"\r" in data:
        raise ValueError("a line end inside an event")
    head = b"event: " + name + b"\n" if name else b""
    lines = b"data: " + data.replace(b"\n", b"\ndata: ") + b"\n" if data or not name else b""
    return head + more + lines + b"\n"


def write_typed(document: dict[str, Any]) -> bytes:
    """Return an event that is named after the `type` of its document. Raises as `write_document`."""
    return write_event(write_document(document), name=str(document["type"]).encode())

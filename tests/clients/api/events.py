"""How the stand-in streams: server-sent events, whole or broken off."""

from collections.abc import AsyncIterator, Iterable
from typing import Any

import orjson
from starlette.responses import StreamingResponse

DONE = b"data: [DONE]\n\n"


def data_event(document: dict[str, Any]) -> bytes:
    """Return an event without a name, as in OpenAI's chat."""
    return b"data: " + orjson.dumps(document) + b"\n\n"


def named_event(document: dict[str, Any]) -> bytes:
    """Return an event named after the document's type, as in OpenAI's responses and Anthropic's messages."""
    return b"event: " + str(document["type"]).encode() + b"\n" + data_event(document)


def stream(events: Iterable[bytes], *, breaks: bool = False) -> StreamingResponse:
    """Return the events as an answer; with `breaks`, the connection drops after the first half of them."""
    listed = list(events)

    async def body() -> AsyncIterator[bytes]:
        for event in listed[: len(listed) // 2] if breaks else listed:
            yield event
        if breaks:
            raise BrokenOffError

    return StreamingResponse(body(), media_type="text/event-stream")


class BrokenOffError(Exception):
    """Ends a stream in its middle: the server drops the connection."""

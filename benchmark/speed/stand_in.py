"""A stand-in for an LLM API: raw ASGI, fixed answers, so that what stands in front of it is what is measured.

Run as `python -m benchmark.speed.stand_in PORT`.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import orjson
import uvicorn

MODEL = "stand-in"
_ANSWER = orjson.dumps(
    {
        "id": "chatcmpl-stand-in",
        "object": "chat.completion",
        "created": 1_750_000_000,
        "model": MODEL,
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "A short answer. " * 8}, "finish_reason": "stop"}
        ],
        "usage": {"prompt_tokens": 32, "completion_tokens": 32, "total_tokens": 64},
    }
)
_HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(_ANSWER)).encode())]
_HEAD = {"id": "chatcmpl-stand-in", "object": "chat.completion.chunk", "created": 1_750_000_000, "model": MODEL}
_CHUNK = (
    b"data: "
    + orjson.dumps(_HEAD | {"choices": [{"index": 0, "delta": {"content": "short "}, "finish_reason": None}]})
    + b"\n\n"
)
_CHUNKS = 20
_PAUSE_S = 0.001  # between chunks: one that waits for nothing would be held against nobody
# As the requests of `benchmark.speed.kinds` write it; parsing 2 MB would be this server's cost, not its visitors'.
_WISHES_STREAM = b'"stream":true'

_Message = MutableMapping[str, Any]


async def app(
    scope: _Message, receive: Callable[[], Awaitable[_Message]], send: Callable[[_Message], Awaitable[None]]
) -> None:
    """Read the body to its end and answer, whatever the path; a stream where the body wishes one."""
    if scope["type"] != "http":
        return
    message = await receive()
    wishes_stream = _WISHES_STREAM in message.get("body", b"")[-1000:]
    while message.get("more_body"):
        message = await receive()
    if wishes_stream:
        await _stream(send)
        return
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": _ANSWER})


async def _stream(send: Callable[[_Message], Awaitable[None]]) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    for _ in range(_CHUNKS):
        await send({"type": "http.response.body", "body": _CHUNK, "more_body": True})
        await asyncio.sleep(_PAUSE_S)
    await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False, lifespan="off")

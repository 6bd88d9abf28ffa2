"""A stand-in for an LLM API: raw ASGI, one fixed answer, so that what stands in front of it is what is measured.

Run as `python -m benchmark.speed.stand_in PORT`.
"""

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

_Message = MutableMapping[str, Any]


async def app(
    scope: _Message, receive: Callable[[], Awaitable[_Message]], send: Callable[[_Message], Awaitable[None]]
) -> None:
    """Read the body to its end and answer, whatever the path."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": _ANSWER})


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False, lifespan="off")

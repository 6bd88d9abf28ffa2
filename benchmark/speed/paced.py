"""A stand-in for an LLM that streams at a pace: a chunk a token, after some thought, and no two answers alike.

Run as `python -m benchmark.speed.paced PORT [THINK_MS]`. The request says `max_tokens`, and by headers `x-think-ms`, in
place of what the command line says, and `x-tokens-a-second`; not every proxy passes headers on.
"""

import asyncio
import random
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any

import orjson
import uvicorn

_SENTENCES = (
    "The river was low that summer, and the children walked across it on flat stones.",
    "A good loaf needs flour, water, salt and more patience than most people have on a weekday.",
    "To sort the list in place, call its sort method; to get a new one, use the built-in function.",
    "She kept the letters in a tin box under the stairs, tied together with a blue ribbon.",
    "Water the tomatoes early in the morning, so that their leaves are dry before the evening.",
    "The museum opens at ten, and the guided tour of the upper floor takes about an hour.",
    "Photosynthesis turns light, water and carbon dioxide into sugar and oxygen.",
    "If the train is late, the connection waits for at most five minutes.",
    "He played the same four notes over and over until they began to sound like rain.",
    "The second law says that the entropy of a closed system does not decrease.",
    "Most of the islands have no harbour, so the mail comes by helicopter twice a week.",
    "Fold the paper along the diagonal, then open it and fold the corners to the middle.",
)
_Message = MutableMapping[str, Any]
_Send = Callable[[_Message], Awaitable[None]]
_App = Callable[[_Message, Callable[[], Awaitable[_Message]], _Send], Awaitable[None]]


def _tokens(count: int) -> Iterator[str]:
    chosen = random.Random()  # noqa: S311 - prose, not a secret
    given = 0
    while True:
        for word in chosen.choice(_SENTENCES).split():
            if given == count:
                return
            given += 1
            yield f"{word} "


def _chunk(delta: dict[str, str], reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
    head = {"id": "chatcmpl-paced", "object": "chat.completion.chunk", "created": 1_750_000_000, "model": "stand-in"}
    return b"data: " + orjson.dumps(head | {"choices": [choice]}) + b"\n\n"


def make_app(think_ms: str) -> _App:
    """Return an application that streams an answer, whatever the path; a GET is told that all is well."""

    async def app(scope: _Message, receive: Callable[[], Awaitable[_Message]], send: _Send) -> None:
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        if body:
            headers = dict(scope["headers"])
            await asyncio.sleep(float(headers.get(b"x-think-ms", think_ms)) / 1000)
            pace = float(headers.get(b"x-tokens-a-second", b"100"))
            await _stream(send, orjson.loads(body)["max_tokens"], pace)
        await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})

    return app


async def _stream(send: _Send, tokens: int, pace: float) -> None:
    began = time.perf_counter()
    for number, token in enumerate(_tokens(tokens)):
        await asyncio.sleep(began + number / pace - time.perf_counter())
        await send({"type": "http.response.body", "body": _chunk({"content": token}), "more_body": True})
    await send({"type": "http.response.body", "body": _chunk({}, "stop"), "more_body": True})


if __name__ == "__main__":
    uvicorn.run(
        make_app(sys.argv[2] if sys.argv[2:] else "0"),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_level="warning",
        access_log=False,
        lifespan="off",
        timeout_keep_alive=600,  # a busy machine lets seconds pass between two requests
    )

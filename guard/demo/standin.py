"""A stand-in for an LLM API in OpenAI's form: it says what it was sent, streamed or at once, and keeps no content."""

import time
from collections.abc import Iterator
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

MODEL = "stand-in-1"


class StandIn:
    """The API; `received` counts the chat requests that reached it."""

    def __init__(self) -> None:
        self.received = 0
        self.app = Starlette(
            routes=[
                Route("/v1/chat/completions", self._chat, methods=["POST"]),
                Route("/v1/models", self._models),
            ]
        )

    async def _models(self, request: Request) -> Response:
        return JSONResponse({"object": "list", "data": [{"id": MODEL, "object": "model", "owned_by": "nobody"}]})

    async def _chat(self, request: Request) -> Response:
        self.received += 1
        document = orjson.loads(await request.body())
        answer = _describe(document["messages"])
        head = {"id": f"chatcmpl-{self.received}", "created": int(time.time()), "model": MODEL}
        if document.get("stream"):
            return StreamingResponse(_events(answer, head), media_type="text/event-stream")
        message = {"role": "assistant", "content": answer, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
        return JSONResponse(head | {"object": "chat.completion", "choices": [choice], "usage": usage})


def _describe(messages: list[dict[str, Any]]) -> str:
    words = pictures = 0
    for message in messages:
        content = message.get("content")
        parts = content if isinstance(content, list) else [{"type": "text", "text": content or ""}]
        words += sum(len(part["text"].split()) for part in parts if part["type"] == "text")
        pictures += sum(1 for part in parts if part["type"] == "image_url")
    return f"The stand-in read {words} words and {pictures} pictures."


def _events(answer: str, head: dict[str, object]) -> Iterator[bytes]:
    chunk = head | {"object": "chat.completion.chunk"}
    deltas: list[tuple[dict[str, str], str | None]] = [
        ({"role": "assistant", "content": ""}, None),
        *(({"content": f"{word} "}, None) for word in answer.split()),
        ({}, "stop"),
    ]
    for delta, reason in deltas:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        yield b"data: " + orjson.dumps(chunk | {"choices": [choice]}) + b"\n\n"
    yield b"data: [DONE]\n\n"

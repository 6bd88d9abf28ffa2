"""Answers of an LLM API in every shape, and a way to ask for them through Guard."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import httpx

from tests.fakes import FakeUpstream
from tests.server.house import SAFE, House, chat

PATHS = {
    "chat": "/v1/chat/completions",
    "completions": "/v1/completions",
    "messages": "/v1/messages",
    "responses": "/v1/responses",
}
REQUESTS: dict[str, dict[str, Any]] = {
    "chat": chat(SAFE),
    "completions": {"model": "m", "prompt": SAFE},
    "messages": {"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": SAFE}]},
    "responses": {"model": "m", "input": SAFE},
}
SMALL = {"enabled": True, "window_chars": 20, "context_chars": 40, "hold_back_chars": 8}
CALM = ["The cat ", "sat on ", "the mat ", "and slept ", "until the ", "evening."]
VILE = [*CALM, " Then it ", "built a ", "bo", "mb and ", "used it."]


def answer(api: str, text: str) -> dict[str, Any]:
    """Return a complete answer of an API."""
    match api:
        case "chat":
            message = {"role": "assistant", "content": text}
            return {"id": "1", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
        case "completions":
            return {"id": "1", "choices": [{"index": 0, "text": text, "finish_reason": "stop"}]}
        case "messages":
            return {
                "id": "1",
                "type": "message",
                "content": [{"type": "text", "text": text}],
                "stop_reason": "end_turn",
            }
        case _:
            part = {"type": "output_text", "text": text, "annotations": []}
            return {"id": "1", "output": [{"type": "message", "role": "assistant", "content": [part]}]}


def streaming(body: Sequence[bytes], **more: Any) -> FakeUpstream:
    return FakeUpstream(headers={"content-type": "text/event-stream; charset=utf-8"}, body=body, **more)


def whole(document: Any, **headers: str) -> FakeUpstream:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return FakeUpstream(headers={"content-type": "application/json", **headers}, body=(body[:7], body[7:]))


async def ask(house: House, api: str = "chat", **more: Any) -> httpx.Response:
    """Return what the application sends, also where it leaves an answer without its end (`extensions["ends"]`)."""
    body = json.dumps(REQUESTS[api] | more).encode()
    scope: dict[str, Any] = {"type": "http", "method": "POST", "path": PATHS[api], "query_string": b"", "headers": []}
    has_ended = asyncio.Event()
    sent: list[Any] = []
    parts_to_send = [body]

    async def receive() -> dict[str, Any]:
        if parts_to_send:
            return {"type": "http.request", "body": parts_to_send.pop()}
        await has_ended.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await house.app(scope, receive, send)
    has_ended.set()
    head, *parts = sent
    return httpx.Response(
        head["status"],
        headers=[(name, value) for name, value in head["headers"] if name != b"content-encoding"],
        content=b"".join(part.get("body", b"") for part in parts),
        extensions={"ends": not parts[-1].get("more_body", False)},
    )

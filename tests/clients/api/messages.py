"""Anthropic's messages, answered from what was asked."""

from collections.abc import Iterator
from typing import Any

import orjson
from starlette.responses import JSONResponse, Response

from tests.clients.api.events import named_event, stream
from tests.clients.api.words import arguments_of, thought_of, words_of

_USAGE = {
    "input_tokens": 7,
    "output_tokens": 6,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 0,
    "service_tier": "standard",
}


def answer_messages(document: dict[str, Any]) -> Response:
    """Return the answer to a request: a text, for the model "reasoning" behind a thought; a tool's use for "tools"."""
    model = str(document.get("model"))
    if document.get("stream"):
        return stream((named_event(event) for event in _events(model)), breaks=model == "breaks")
    reason = "tool_use" if model.endswith("tools") else "end_turn"
    return JSONResponse(_message(model, _blocks(model), reason), headers={"request-id": "req_1"})


def answer_count() -> Response:
    """Return the answer to a request of the token counter."""
    return JSONResponse({"input_tokens": 7})


def _message(model: str, blocks: list[dict[str, Any]], reason: str | None) -> dict[str, Any]:
    return {
        "id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": blocks,
        "stop_reason": reason, "stop_sequence": None, "usage": _USAGE,
    }  # fmt: skip


def _blocks(model: str) -> list[dict[str, Any]]:
    if model.endswith("tools"):
        given = orjson.loads(arguments_of(model))
        return [{"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": given}]
    thought = {"type": "thinking", "thinking": thought_of(model), "signature": "EqQBCgIYAhIM"}
    text = {"type": "text", "text": " ".join(words_of(model))}
    return [thought, text] if model.endswith("reasoning") else [text]


def _events(model: str) -> Iterator[dict[str, Any]]:
    yield {"type": "message_start", "message": _message(model, [], None)}
    yield {"type": "ping"}
    for index, block in enumerate(_blocks(model)):
        match block["type"]:
            case "tool_use":
                empty: dict[str, Any] = {"input": {}}
                deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in _pieces(arguments_of(model))]
            case "thinking":
                empty = {"thinking": "", "signature": ""}
                deltas = [
                    *({"type": "thinking_delta", "thinking": piece} for piece in _pieces(block["thinking"])),
                    {"type": "signature_delta", "signature": block["signature"]},
                ]
            case _:
                empty = {"text": ""}
                deltas = [{"type": "text_delta", "text": piece} for piece in _pieces(block["text"])]
        yield {"type": "content_block_start", "index": index, "content_block": block | empty}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    reason = "tool_use" if model.endswith("tools") else "end_turn"
    yield {
        "type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": {"output_tokens": 6}
    }  # fmt: skip
    yield {"type": "message_stop"}


def _pieces(text: str) -> Iterator[str]:
    for start in range(0, len(text), 6):
        yield text[start : start + 6]

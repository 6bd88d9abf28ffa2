"""OpenAI's responses, answered from what was asked."""

from collections.abc import Iterator
from typing import Any

from starlette.responses import JSONResponse, Response

from tests.clients.api.events import named_event, stream
from tests.clients.api.words import CALL_ID, CREATED, arguments_of, thought_of, words_of

_USAGE = {
    "input_tokens": 7,
    "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
    "output_tokens": 6,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 13,
}


def answer_responses(document: dict[str, Any]) -> Response:
    """Return the answer to a request: a message; a call for the model "tools"; a summary before it for "reasoning"."""
    model = str(document.get("model"))
    if document.get("stream"):
        numbered = ({**event, "sequence_number": number} for number, event in enumerate(_events(document)))
        return stream((named_event(event) for event in numbered), breaks=model == "breaks")
    return JSONResponse(_response(document, _items(model), "completed"))


def _response(document: dict[str, Any], items: list[dict[str, Any]], status: str) -> dict[str, Any]:
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": document.get("instructions"),
        "max_output_tokens": None,
        "metadata": document.get("metadata") or {},
        "model": document.get("model"),
        "output": items,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "store": False,
        "temperature": 1.0,
        "text": document.get("text") or {"format": {"type": "text"}},
        "tool_choice": document.get("tool_choice") or "auto",
        "tools": document.get("tools") or [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": _USAGE if status == "completed" else None,
        "user": None,
    }


def _items(model: str) -> list[dict[str, Any]]:
    if model.endswith("tools"):
        return [_call("completed", arguments_of(model))]
    reasoning = {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": thought_of(model)}]}
    message = _message("completed", [_text_part(" ".join(words_of(model)))])
    return [reasoning, message] if model.endswith("reasoning") else [message]


def _message(status: str, content: list[dict[str, Any]]) -> dict[str, Any]:
    return {"id": "msg_1", "type": "message", "status": status, "role": "assistant", "content": content}


def _text_part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _call(status: str, arguments: str) -> dict[str, Any]:
    name = "get_weather"
    return {
        "id": "fc_1", "type": "function_call", "status": status, "call_id": CALL_ID, "name": name,
        "arguments": arguments,
    }  # fmt: skip


def _events(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    items = _items(str(document.get("model")))
    begun = _response(document, [], "in_progress")
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    for index, item in enumerate(items):
        where = {"output_index": index, "item_id": item["id"]}
        match item["type"]:
            case "message":
                yield from _message_events(where, item)
            case "function_call":
                yield from _call_events(where, item)
            case _:
                yield from _reasoning_events(where, item)
    yield {"type": "response.completed", "response": _response(document, items, "completed")}


def _message_events(where: dict[str, Any], item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    at = {"output_index": where["output_index"]}
    inside = {**where, "content_index": 0}
    whole = item["content"][0]
    yield {"type": "response.output_item.added", **at, "item": _message("in_progress", [])}
    yield {"type": "response.content_part.added", **inside, "part": _text_part("")}
    words = whole["text"]
    for start in range(0, len(words), 6):
        yield {"type": "response.output_text.delta", **inside, "delta": words[start : start + 6], "logprobs": []}
    yield {"type": "response.output_text.done", **inside, "text": whole["text"], "logprobs": []}
    yield {"type": "response.content_part.done", **inside, "part": whole}
    yield {"type": "response.output_item.done", **at, "item": item}


def _call_events(where: dict[str, Any], item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    at = {"output_index": where["output_index"]}
    yield {"type": "response.output_item.added", **at, "item": _call("in_progress", "")}
    arguments = item["arguments"]
    for start in range(0, len(arguments), 5):
        yield {"type": "response.function_call_arguments.delta", **where, "delta": arguments[start : start + 5]}
    yield {
        "type": "response.function_call_arguments.done", **where, "arguments": arguments, "name": item["name"]
    }  # fmt: skip
    yield {"type": "response.output_item.done", **at, "item": item}


def _reasoning_events(where: dict[str, Any], item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    at = {"output_index": where["output_index"]}
    inside = {**where, "summary_index": 0}
    part = item["summary"][0]
    yield {"type": "response.output_item.added", **at, "item": {**item, "summary": []}}
    yield {"type": "response.reasoning_summary_part.added", **inside, "part": {**part, "text": ""}}
    for start in range(0, len(part["text"]), 4):
        yield {"type": "response.reasoning_summary_text.delta", **inside, "delta": part["text"][start : start + 4]}
    yield {"type": "response.reasoning_summary_text.done", **inside, "text": part["text"]}
    yield {"type": "response.reasoning_summary_part.done", **inside, "part": part}
    yield {"type": "response.output_item.done", **at, "item": item}

"""OpenAI's chat completions and completions, answered from what was asked: no two runs differ."""

from typing import Any

import orjson
from starlette.responses import JSONResponse, Response

from tests.clients.api.events import DONE, data_event, stream
from tests.clients.api.words import CALL_ID, CREATED, USAGE, arguments_of, thought_of, words_of

_LOGPROB = {"token": "a", "logprob": -0.25, "bytes": [97], "top_logprobs": []}


def answer_chat(document: dict[str, Any]) -> Response:
    """Return the answer to a chat request: `n` choices, logprobs where wished, a tool call for the model "tools"."""
    model, choices = str(document.get("model")), int(document.get("n") or 1)
    head = {"id": "chatcmpl-1", "created": CREATED, "model": model, "system_fingerprint": "fp_1", "x_unknown": {"a": 1}}
    if document.get("stream"):
        return stream(_chat_events(document, head, choices), breaks=model == "breaks")
    message: dict[str, Any] = {"role": "assistant", "content": _text(document), "refusal": None, "annotations": []}
    reason = "stop"
    if model.endswith("tools"):
        message |= {"content": None, "tool_calls": [_tool_call(model)]}
        reason = "tool_calls"
    if model.endswith("reasoning"):
        message |= {"reasoning_content": thought_of(model)}
    logprobs = {"content": [_LOGPROB] * len(words_of(model)), "refusal": None} if document.get("logprobs") else None
    listed = [
        {"index": index, "message": message, "logprobs": logprobs, "finish_reason": reason} for index in range(choices)
    ]
    return JSONResponse(head | {"object": "chat.completion", "choices": listed, "usage": USAGE})


def answer_completion(document: dict[str, Any]) -> Response:
    """Return the answer to a request of the older completions API."""
    model, choices = str(document.get("model")), int(document.get("n") or 1)
    head = {"id": "cmpl-1", "object": "text_completion", "created": CREATED, "model": model}

    def choice(text: str, index: int, reason: str | None) -> dict[str, Any]:
        return {"index": index, "text": text, "logprobs": None, "finish_reason": reason}

    if document.get("stream"):
        events = [
            data_event(head | {"choices": [choice(f"{word} ", index, None)]})
            for word in words_of(model)
            for index in range(choices)
        ]
        events += [data_event(head | {"choices": [choice("", index, "stop")]}) for index in range(choices)]
        return stream([*events, DONE], breaks=model == "breaks")
    listed = [choice(" ".join(words_of(model)), index, "stop") for index in range(choices)]
    return JSONResponse(head | {"choices": listed, "usage": USAGE})


def _text(document: dict[str, Any]) -> str:
    # A JSON answer, where one was wished for, is what the schema of the tests asks for.
    wished = document.get("response_format")
    is_json = isinstance(wished, dict) and wished.get("type") != "text"
    return (
        orjson.dumps({"animal": "cat", "legs": 4}).decode()
        if is_json
        else " ".join(words_of(str(document.get("model"))))
    )


def _tool_call(model: str) -> dict[str, Any]:
    return {"id": CALL_ID, "type": "function", "function": {"name": "get_weather", "arguments": arguments_of(model)}}


def _chat_events(document: dict[str, Any], head: dict[str, Any], choices: int) -> list[bytes]:
    chunk = head | {"object": "chat.completion.chunk"}
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": "", "refusal": None}]
    reason = "stop"
    model = str(document.get("model"))
    match model.rpartition("-")[2]:
        case "tools":
            arguments = arguments_of(model)
            begun = {"index": 0, **_tool_call(model), "function": {"name": "get_weather", "arguments": ""}}
            pieces = (arguments[at : at + 5] for at in range(0, len(arguments), 5))
            deltas += [{"tool_calls": [begun]}]
            deltas += [{"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} for piece in pieces]
            reason = "tool_calls"
        case "reasoning":
            thought = thought_of(model)
            deltas += [{"reasoning_content": thought[at : at + 4]} for at in range(0, len(thought), 4)]
            deltas += [{"content": f"{word} "} for word in words_of(model)]
        case _ if document.get("response_format"):
            text = _text(document)
            deltas += [{"content": text[at : at + 6]} for at in range(0, len(text), 6)]
        case _:
            deltas += [{"content": f"{word} "} for word in words_of(model)]

    def event(index: int, delta: dict[str, Any], ending: str | None) -> bytes:
        has_text = bool(delta.get("content"))
        logprobs = {"content": [_LOGPROB], "refusal": None} if document.get("logprobs") and has_text else None
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": ending}
        return data_event(chunk | {"choices": [choice]})

    events = [event(index, delta, None) for delta in deltas for index in range(choices)]
    events += [event(index, {}, reason) for index in range(choices)]
    if (document.get("stream_options") or {}).get("include_usage"):
        events.append(data_event(chunk | {"choices": [], "usage": USAGE}))
    return [b": a comment keeps the connection open\n\n", *events, DONE]

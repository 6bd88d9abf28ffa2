"""OpenAI's responses, and what is asked beside them with the same body: to count its tokens, to compact it."""

from collections.abc import Iterator
from dataclasses import replace

import orjson

from guard.answers.chat import CONTENT_FILTER
from guard.core.events import write_typed
from guard.core.formats.responses import parse_responses
from guard.server.apis import Api, Wish
from guard.server.refusals import EVENT_STREAM, TEXT, refusal_error
from guard.server.wire import Answer, error_answer
from guard.types import Decision

_NO_USAGE = {
    "input_tokens": 0,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": 0,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 0,
}


def _refusal_message(decision: Decision, wish: Wish, *, created: int) -> Answer:
    """Return HTTP 200 with an incomplete response that holds a refusal, streamed if the caller wished so.

    The text stands in a part of its own and in a refusal: most apps show the first alone.
    """
    message: dict[str, object] = {
        "id": f"msg_{decision.id}",
        "type": "message",
        "role": "assistant",
        "status": "incomplete",
        "content": [_text(TEXT), {"type": "refusal", "refusal": TEXT}],
    }
    started: dict[str, object] = {
        "id": f"resp_{decision.id}",
        "object": "response",
        "created_at": created,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": wish.model,
        "output": [],
        "parallel_tool_calls": True,
        "temperature": None,
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "usage": None,
    }
    ended = started | {
        "status": "incomplete",
        "incomplete_details": {"reason": CONTENT_FILTER},
        "output": [message],
        "usage": _NO_USAGE,
        "guard": decision.to_dict(),
    }
    if not wish.stream:
        return Answer(200, orjson.dumps(ended), code=CONTENT_FILTER)
    events = (
        write_typed(event | {"sequence_number": number})
        for number, event in enumerate(_events(started, message, ended))
    )
    return Answer(200, b"".join(events), content_type=EVENT_STREAM, code=CONTENT_FILTER)


def _events(
    started: dict[str, object], message: dict[str, object], ended: dict[str, object]
) -> Iterator[dict[str, object]]:
    item = {"item_id": message["id"], "output_index": 0}
    yield {"type": "response.created", "response": started}
    yield {"type": "response.in_progress", "response": started}
    yield {
        "type": "response.output_item.added",
        "output_index": 0,
        "item": message | {"status": "in_progress", "content": []},
    }
    text = item | {"content_index": 0}
    yield {"type": "response.content_part.added", **text, "part": _text("")}
    yield {"type": "response.output_text.delta", **text, "delta": TEXT, "logprobs": []}
    yield {"type": "response.output_text.done", **text, "text": TEXT, "logprobs": []}
    yield {"type": "response.content_part.done", **text, "part": _text(TEXT)}
    refusal = item | {"content_index": 1}
    yield {"type": "response.content_part.added", **refusal, "part": {"type": "refusal", "refusal": ""}}
    yield {"type": "response.refusal.delta", **refusal, "delta": TEXT}
    yield {"type": "response.refusal.done", **refusal, "refusal": TEXT}
    yield {"type": "response.content_part.done", **refusal, "part": {"type": "refusal", "refusal": TEXT}}
    yield {"type": "response.output_item.done", "output_index": 0, "item": message}
    yield {"type": "response.incomplete", "response": ended}


def _text(text: str) -> dict[str, object]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _error_event(code: str, message: str) -> bytes:
    # The blank lines before it end an event that broke off in its middle.
    return b"\n\n" + write_typed({"type": "error", "code": code, "message": message, "param": None})


RESPONSES = Api(
    name="responses",
    param="input",
    parse=parse_responses,
    error=error_answer,
    error_event=_error_event,
    refusal_error=refusal_error("input"),
    refusal_message=_refusal_message,
)
# Their answers have no place for a refusal.
RESPONSES_BESIDE = replace(RESPONSES, name="responses_beside", refuses="error")

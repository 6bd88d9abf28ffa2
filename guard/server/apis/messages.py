"""Anthropic's messages, and what is asked beside them: to count tokens, and batches."""

from collections.abc import Iterator
from dataclasses import replace

import orjson

from guard.core.formats.messages import parse_batch, parse_messages
from guard.server.apis import Api, Wish
from guard.server.refusals import EVENT_STREAM, TEXT, named_event
from guard.server.wire import CONTENT_FILTER, Answer, failure, status_of
from guard.types import Decision

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
_NO_USAGE = {"input_tokens": 0, "output_tokens": 0}


def _error(code: str, message: str, *, param: str | None = None, decision: Decision | None = None) -> Answer:
    """Return an error in Anthropic's shape, with Guard's code, and the verdict beside it where there is one."""
    status = status_of(code)
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
    return failure(code, {"type": "error", "error": {"type": kind, "message": message, "code": code}}, decision)


def _error_event(code: str, message: str) -> bytes:
    # The blank lines before it end an event that broke off in its middle.
    error = {"type": "api_error", "message": message, "code": code}
    return b"\n\n" + named_event({"type": "error", "error": error})


def _refusal_error(decision: Decision) -> Answer:
    return _error(CONTENT_FILTER, TEXT, decision=decision)


def _refusal_message(decision: Decision, wish: Wish, *, created: int) -> Answer:
    """Return HTTP 200 with a message that stopped by `refusal`, streamed if the caller wished so."""
    end: dict[str, object] = {
        "stop_reason": "refusal",
        "stop_sequence": None,
        # None of Anthropic's own categories of refusals is meant; Guard's stand in the verdict.
        "stop_details": {"type": "refusal", "category": None, "explanation": TEXT},
    }
    message: dict[str, object] = {
        "id": f"msg_{decision.id}",
        "type": "message",
        "role": "assistant",
        "model": wish.model,
        "content": [{"type": "text", "text": TEXT}],
        **end,
        "usage": _NO_USAGE,
    }
    if wish.stream:
        stream = b"".join(map(named_event, _events(message, end, decision)))
        return Answer(200, stream, content_type=EVENT_STREAM, code=CONTENT_FILTER)
    return Answer(200, orjson.dumps(message | {"guard": decision.to_dict()}), code=CONTENT_FILTER)


def _events(message: dict[str, object], end: dict[str, object], decision: Decision) -> Iterator[dict[str, object]]:
    yield {"type": "message_start", "message": message | dict.fromkeys(end) | {"content": []}}
    yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": TEXT}}
    yield {"type": "content_block_stop", "index": 0}
    yield {"type": "message_delta", "delta": end, "usage": _NO_USAGE, "guard": decision.to_dict()}
    yield {"type": "message_stop"}


MESSAGES = Api(
    name="messages",
    param="messages",
    parse=parse_messages,
    error=_error,
    error_event=_error_event,
    refusal_error=_refusal_error,
    refusal_message=_refusal_message,
    refuses="message",
)
# Their answers have no place for a refusal.
MESSAGES_TOKENS = replace(MESSAGES, name="messages_tokens", refuses="error")
MESSAGES_BATCH = replace(MESSAGES, name="messages_batch", param="requests", parse=parse_batch, refuses="error")

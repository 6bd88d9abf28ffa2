"""Anthropic's messages, and what is asked beside them: to count tokens, and batches."""

from dataclasses import replace

import orjson

from guard.answers.chat import CONTENT_FILTER
from guard.core.events import write_typed
from guard.core.formats.messages import parse_batch, parse_messages
from guard.server.apis import Api, Wish
from guard.server.refusals import TEXT, streamed_refusal
from guard.server.wire import Answer, failure, status_of
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


def _error(code: str, message: str, *, param: str | None = None, decision: Decision | None = None) -> Answer:
    """Return an error in Anthropic's shape, with Guard's code, and the verdict beside it where there is one."""
    status = status_of(code)
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
    return failure(code, {"type": "error", "error": {"type": kind, "message": message, "code": code}}, decision)


def _error_event(code: str, message: str) -> bytes:
    # The blank lines before it end an event that broke off in its middle.
    error = {"type": "api_error", "message": message, "code": code}
    return b"\n\n" + write_typed({"type": "error", "error": error})


def _refusal_error(decision: Decision) -> Answer:
    return _error(CONTENT_FILTER, TEXT, decision=decision)


def _refusal_message(decision: Decision, wish: Wish, *, created: int) -> Answer:
    """Return HTTP 200 with a message that stopped by `refusal`, streamed if the caller wished so."""
    if wish.stream:
        return streamed_refusal("messages", decision, wish, created=created)
    message: dict[str, object] = {
        "id": f"msg_{decision.id}",
        "type": "message",
        "role": "assistant",
        "model": wish.model,
        "content": [{"type": "text", "text": TEXT}],
        "stop_reason": "refusal",
        "stop_sequence": None,
        # None of Anthropic's own categories of refusals is meant; Guard's stand in the verdict.
        "stop_details": {"type": "refusal", "category": None, "explanation": TEXT},
        "usage": {"input_tokens": 0, "output_tokens": 0},
        "guard": decision.to_dict(),
    }
    return Answer(200, orjson.dumps(message), code=CONTENT_FILTER)


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

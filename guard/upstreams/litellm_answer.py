"""What litellm gives back, in the shape that OpenAI's clients read: answers, chunks of a stream, errors. Pure."""

import json
import re
from collections.abc import Mapping
from typing import Any

import orjson

from guard.core.events import write_event

_MOST_CHARS = 1000
# Names of litellm's that repeat what the rest says, in a form that no judge of answers reads.
_LEFT_OUT = ("provider_specific_fields", "thinking_blocks")
# "litellm.RateLimitError: AnthropicException - slow down": what the provider said stands behind the dash.
_WRAPPING = re.compile(r"^(?:litellm\.\w+: )?(?:\w+(?:Error|Exception): )*(?:\w+Exception - )?")
_KINDS = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}
# The key may be the operator's, and then neither the caller's to see nor to change.
_ABOUT_KEYS = frozenset({401, 403})


def answer(document: Mapping[str, Any], model: str) -> bytes:
    """Return a whole answer; `model` is the name under which the caller asked for it."""
    choices = [{**choice, "message": _message(choice.get("message"))} for choice in document.get("choices", ())]
    return orjson.dumps({**document, "model": model, "choices": choices})


def chunk(document: Mapping[str, Any], model: str) -> bytes:
    """Return one event of a stream."""
    choices = [{**choice, "delta": _cleaned(choice.get("delta"))} for choice in document.get("choices", ())]
    if document.get("usage") is not None and not any(_says(choice) for choice in choices):
        choices = []  # as OpenAI closes a stream with its usage
    return write_event(orjson.dumps({**document, "model": model, "choices": choices}))


def error(status: int, message: str) -> bytes:
    """Return the error that a provider answered with."""
    kind = _KINDS.get(status, "invalid_request_error" if status < 500 else "api_error")
    said = "the provider behind this model does not accept the key" if status in _ABOUT_KEYS else _said(message, status)
    code = "provider_error" if status >= 500 else kind.removesuffix("_error")
    return orjson.dumps({"error": {"message": said, "type": kind, "param": None, "code": code}})


def _message(message: Any) -> dict[str, Any]:
    return {"content": None, **_cleaned(message)}


def _cleaned(message: Any) -> dict[str, Any]:
    return {key: value for key, value in message.items() if key not in _LEFT_OUT} if isinstance(message, dict) else {}


def _says(choice: Mapping[str, Any]) -> bool:
    return choice.get("finish_reason") is not None or any(value for value in choice["delta"].values())


def _said(message: str, status: int) -> str:
    """Return a provider's own words, without litellm's around them; a fault's only where they are the provider's."""
    text = _WRAPPING.sub("", message, count=1).partition(" Handle with `litellm")[0].strip()
    if text.startswith(("b'", 'b"')):
        text = text[2:-1]
    inner = _inner_message(text)
    if inner is None:
        inner = "the provider failed" if status >= 500 or "Traceback (most recent call last)" in text else text
    return inner[:_MOST_CHARS]


def _inner_message(text: str) -> str | None:
    try:
        document = json.loads(text[text.index("{") : text.rindex("}") + 1])
        inner = document["error"]
        said = inner["message"] if isinstance(inner, dict) else inner
    except (ValueError, LookupError, TypeError):
        return None
    return said if isinstance(said, str) else None

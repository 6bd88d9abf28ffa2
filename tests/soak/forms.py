"""What an answer is, told by its API's form alone: the model's, a refusal, or an error with its code.

An answer that is none of them has no form, and `told` raises `NoForm`: half a document, an error in another API's
words, a stream that just stops.
"""

from collections.abc import Mapping
from typing import Any

import orjson

MODEL, REFUSAL = "the model's", "refusal"


class NoForm(Exception):
    """An answer that its API's clients would not understand."""


def told(api: str, status: int, headers: Mapping[str, str], body: bytes) -> str:
    """Return `MODEL`, `REFUSAL`, or the code of an error, in an answer of "openai", "anthropic" or "own" pages.

    Raises:
        NoForm: the answer has not the form that the API's clients expect.
    """
    if "x-guard-id" not in headers:
        raise NoForm("no x-guard-id")
    if headers.get("content-type", "").startswith("text/event-stream"):
        return _of_stream(api, body)
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise NoForm("not JSON") from error
    if status >= 400:
        return _of_error(api, document)
    if api == "own":
        return MODEL
    if not isinstance(document, dict):
        raise NoForm("no object")
    return _of_document(api, document)


def _of_error(api: str, document: Any) -> str:
    error = document.get("error") if isinstance(document, dict) else None
    if not isinstance(error, dict) or not isinstance(error.get("message"), str) or not isinstance(error["type"], str):
        raise NoForm("no error")
    if (api == "anthropic") != (document.get("type") == "error"):
        raise NoForm("an error in another API's words")
    code = error.get("code")
    if not isinstance(code, str):
        raise NoForm("an error without a code")
    return REFUSAL if code == "content_filter" else code


def _of_document(api: str, document: dict[str, Any]) -> str:
    if api == "anthropic":
        ending = document.get("stop_reason")
        return _ending(ending, {"end_turn"}, "refusal")
    if document.get("object") == "response":
        details = document.get("incomplete_details") or {}
        return _ending(details.get("reason") or document.get("status"), {"completed"}, "content_filter")
    choices = document.get("choices") or [{}]
    return _ending(choices[0].get("finish_reason"), {"stop"}, "content_filter")


def _ending(ending: object, of_model: set[str], of_refusal: str) -> str:
    if ending == of_refusal:
        return REFUSAL
    if ending not in of_model:
        raise NoForm(f"ends with {ending!r}")
    return MODEL


def _of_stream(api: str, body: bytes) -> str:
    events = [line.removeprefix(b"data: ") for line in body.split(b"\n") if line.startswith(b"data: ")]
    if not events:
        raise NoForm("a stream without an event")
    is_done = events[-1] == b"[DONE]"
    documents = []
    for event in events[:-1] if is_done else events:
        try:
            documents.append(orjson.loads(event))
        except orjson.JSONDecodeError:
            continue  # an event that broke off; what follows must be an error, or the stream has no form
    last = documents[-1] if documents else {}
    if isinstance(last.get("error"), dict) or last.get("type") == "error":
        return str(last.get("code") or last["error"].get("code"))
    if api == "anthropic":
        if last.get("type") != "message_stop":
            raise NoForm("a stream without its end")
        endings = [event["delta"].get("stop_reason") for event in documents if event["type"] == "message_delta"]
        return _ending(endings[-1] if endings else None, {"end_turn"}, "refusal")
    if "response" in last:
        return _of_document(api, last["response"])
    if not is_done:
        raise NoForm("a stream without its end")
    endings = [choice["finish_reason"] for event in documents for choice in event["choices"] if choice["finish_reason"]]
    return _ending(endings[-1] if endings else None, {"stop"}, "content_filter")

"""How an unsafe chat request is refused, in the forms that OpenAI's clients expect."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from guard.server.wire import CONTENT_FILTER, STATUS, Answer
from guard.types import Decision, RuleKind

TEXT = "This request was refused by the content filter in front of this model."
_MAX_CHOICES = 128
_DONE = b"data: [DONE]\n\n"
# Lower end of the probability of a category -> Azure's severity.
_SEVERITIES = ((0.75, "high"), (0.5, "medium"), (0.25, "low"), (0.0, "safe"))


@dataclass(frozen=True, slots=True)
class ChatWish:
    """What the caller of the chat API asked for about the answer's form; values of wrong types count as not given."""

    model: str = ""
    stream: bool = False
    choices: int = 1
    include_usage: bool = False

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "ChatWish":
        """Read the wish from a chat document."""
        model, choices, options = document.get("model"), document.get("n"), document.get("stream_options")
        return cls(
            model=model if isinstance(model, str) else "",
            stream=document.get("stream") is True,
            choices=min(max(choices, 1), _MAX_CHOICES) if type(choices) is int else 1,
            include_usage=isinstance(options, dict) and options.get("include_usage") is True,
        )


def refusal_error(decision: Decision) -> Answer:
    """Return HTTP 400 `content_filter` as Azure's content filter words it, with the verdict beside it."""
    document = {
        "error": {
            "message": TEXT,
            "type": "invalid_request_error",
            "param": "messages",
            "code": CONTENT_FILTER,
            "innererror": {
                "code": "ResponsibleAIPolicyViolation",
                "content_filter_result": _filtered_categories(decision),
            },
        },
        "guard": decision.to_dict(),
    }
    return Answer(STATUS[CONTENT_FILTER], orjson.dumps(document), code=CONTENT_FILTER)


def refusal_message(decision: Decision, wish: ChatWish, *, created: int) -> Answer:
    """Return HTTP 200 with a refusal as the assistant's message, streamed if the caller wished so.

    The text stands in `content` and in `refusal`: most apps show the first alone.
    """
    head = {"id": f"chatcmpl-{decision.id}", "created": created, "model": wish.model}
    if wish.stream:
        return Answer(200, _stream(decision, wish, head), content_type=b"text/event-stream", code=CONTENT_FILTER)
    message = {"role": "assistant", "content": TEXT, "refusal": TEXT}
    document = head | {
        "object": "chat.completion",
        "choices": [
            {"index": index, "message": message, "logprobs": None, "finish_reason": CONTENT_FILTER}
            for index in range(wish.choices)
        ],
        "usage": _NO_USAGE,
        "guard": decision.to_dict(),
    }
    return Answer(200, orjson.dumps(document), code=CONTENT_FILTER)


def _stream(decision: Decision, wish: ChatWish, head: dict[str, object]) -> bytes:
    chunk = head | {"object": "chat.completion.chunk"}
    delta = {"role": "assistant", "content": TEXT, "refusal": TEXT}
    events: list[dict[str, object]] = [
        chunk | {"choices": [_choice(index, delta, None) for index in range(wish.choices)]},
        chunk
        | {
            "choices": [_choice(index, {}, CONTENT_FILTER) for index in range(wish.choices)],
            "guard": decision.to_dict(),
        },
    ]
    if wish.include_usage:
        events.append(chunk | {"choices": [], "usage": _NO_USAGE})
    return b"".join(b"data: " + orjson.dumps(event) + b"\n\n" for event in events) + _DONE


def _choice(index: int, delta: dict[str, str], finish_reason: str | None) -> dict[str, object]:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}


def _filtered_categories(decision: Decision) -> dict[str, dict[str, object]]:
    """Return the decisive category and those at or above the decision's threshold; the attack, where one decided."""
    rule = decision.rule
    if rule is not None and rule.kind is RuleKind.ATTACK:
        return {rule.name: {"filtered": True, "severity": _severity(rule.probability)}}
    threshold = decision.threshold if decision.threshold is not None else 0.5
    chosen = {name: value for name, value in decision.categories.items() if value >= threshold}
    if rule is not None:
        chosen.setdefault(rule.name, decision.categories[rule.name])
    return {name: {"filtered": True, "severity": _severity(value)} for name, value in chosen.items()}


def _severity(probability: float) -> str:
    return next(name for lower_end, name in _SEVERITIES if probability >= lower_end)


_NO_USAGE = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}

"""OpenAI's completions."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from guard.core.formats.completions import count_prompts, parse_completions
from guard.server.apis import MOST_CHOICES, Api, Wish
from guard.server.refusals import DONE, EVENT_STREAM, NO_USAGE, TEXT, error_event, event, refusal_error
from guard.server.wire import CONTENT_FILTER, Answer, error_answer
from guard.types import Decision


def _wish(document: Mapping[str, Any]) -> Wish:
    wish = Wish.of(document)
    return replace(wish, choices=min(wish.choices * count_prompts(document.get("prompt")), MOST_CHOICES))


def _refusal_message(decision: Decision, wish: Wish, *, created: int) -> Answer:
    """Return HTTP 200 with a refusal as the text of every choice, streamed if the caller wished so."""
    head: dict[str, object] = {
        "id": f"cmpl-{decision.id}",
        "object": "text_completion",
        "created": created,
        "model": wish.model,
    }
    choices = [
        {"index": index, "text": TEXT, "logprobs": None, "finish_reason": CONTENT_FILTER}
        for index in range(wish.choices)
    ]
    document = head | {"choices": choices, "guard": decision.to_dict()}
    if not wish.stream:
        return Answer(200, orjson.dumps(document | {"usage": NO_USAGE}), code=CONTENT_FILTER)
    usage = event(head | {"choices": [], "usage": NO_USAGE}) if wish.include_usage else b""
    return Answer(200, event(document) + usage + DONE, content_type=EVENT_STREAM, code=CONTENT_FILTER)


COMPLETIONS = Api(
    name="completions",
    param="prompt",
    parse=parse_completions,
    error=error_answer,
    error_event=error_event,
    refusal_error=refusal_error("prompt"),
    refusal_message=_refusal_message,
    wish=_wish,
)

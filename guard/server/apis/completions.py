"""OpenAI's completions."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from guard.answers.chat import CONTENT_FILTER, NO_USAGE
from guard.core.formats.completions import count_prompts, parse_completions
from guard.server.apis import MOST_CHOICES, Api, Wish
from guard.server.refusals import TEXT, error_event, refusal_error, streamed_refusal
from guard.server.wire import Answer, error_answer
from guard.types import Decision


def _wish(document: Mapping[str, Any]) -> Wish:
    wish = Wish.of(document)
    return replace(wish, choices=min(wish.choices * count_prompts(document.get("prompt")), MOST_CHOICES))


def _refusal_message(decision: Decision, wish: Wish, *, created: int) -> Answer:
    """Return HTTP 200 with a refusal as the text of every choice, streamed if the caller wished so."""
    if wish.stream:
        return streamed_refusal("completions", decision, wish, created=created)
    document: dict[str, object] = {
        "id": f"cmpl-{decision.id}",
        "object": "text_completion",
        "created": created,
        "model": wish.model,
        "choices": [
            {"index": index, "text": TEXT, "logprobs": None, "finish_reason": CONTENT_FILTER}
            for index in range(wish.choices)
        ],
        "usage": NO_USAGE,
        "guard": decision.to_dict(),
    }
    return Answer(200, orjson.dumps(document), code=CONTENT_FILTER)


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

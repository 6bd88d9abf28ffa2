"""OpenAI's chat completions."""

import orjson

from guard.answers.chat import CONTENT_FILTER, NO_USAGE
from guard.core.formats.chat import parse_chat
from guard.server.apis import Api, Wish
from guard.server.refusals import TEXT, error_event, refusal_error, streamed_refusal
from guard.server.wire import Answer, error_answer
from guard.types import Decision


def _refusal_message(decision: Decision, wish: Wish, *, created: int) -> Answer:
    """Return HTTP 200 with a refusal as the assistant's message, streamed if the caller wished so.

    The text stands in `content` and in `refusal`: most apps show the first alone.
    """
    if wish.stream:
        return streamed_refusal("chat", decision, wish, created=created)
    head: dict[str, object] = {"id": f"chatcmpl-{decision.id}", "created": created, "model": wish.model}
    message = {"role": "assistant", "content": TEXT, "refusal": TEXT}
    document = head | {
        "object": "chat.completion",
        "choices": [
            {"index": index, "message": message, "logprobs": None, "finish_reason": CONTENT_FILTER}
            for index in range(wish.choices)
        ],
        "usage": NO_USAGE,
        "guard": decision.to_dict(),
    }
    return Answer(200, orjson.dumps(document), code=CONTENT_FILTER)


CHAT = Api(
    name="chat",
    param="messages",
    parse=parse_chat,
    error=error_answer,
    error_event=error_event,
    refusal_error=refusal_error("messages"),
    refusal_message=_refusal_message,
)

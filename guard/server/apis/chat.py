"""OpenAI's chat completions."""

import orjson

from guard.core.formats.chat import parse_chat
from guard.server.apis import Api, Wish
from guard.server.refusals import DONE, EVENT_STREAM, NO_USAGE, TEXT, error_event, event, refusal_error
from guard.server.wire import CONTENT_FILTER, Answer, error_answer
from guard.types import Decision


def _refusal_message(decision: Decision, wish: Wish, *, created: int) -> Answer:
    """Return HTTP 200 with a refusal as the assistant's message, streamed if the caller wished so.

    The text stands in `content` and in `refusal`: most apps show the first alone.
    """
    head: dict[str, object] = {"id": f"chatcmpl-{decision.id}", "created": created, "model": wish.model}
    if wish.stream:
        return Answer(200, _stream(decision, wish, head), content_type=EVENT_STREAM, code=CONTENT_FILTER)
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


def _stream(decision: Decision, wish: Wish, head: dict[str, object]) -> bytes:
    chunk = head | {"object": "chat.completion.chunk"}
    delta = {"role": "assistant", "content": TEXT, "refusal": TEXT}
    events = [
        chunk | {"choices": [_choice(index, delta, None) for index in range(wish.choices)]},
        chunk
        | {
            "choices": [_choice(index, {}, CONTENT_FILTER) for index in range(wish.choices)],
            "guard": decision.to_dict(),
        },
    ]
    if wish.include_usage:
        events.append(chunk | {"choices": [], "usage": NO_USAGE})
    return b"".join(map(event, events)) + DONE


def _choice(index: int, delta: dict[str, str], finish_reason: str | None) -> dict[str, object]:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}


CHAT = Api(
    name="chat",
    param="messages",
    parse=parse_chat,
    error=error_answer,
    error_event=error_event,
    refusal_error=refusal_error("messages"),
    refusal_message=_refusal_message,
)

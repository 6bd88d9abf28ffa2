"""OpenAI chat completions: bytes of a request to a `Conversation`.

Every string that a model may read becomes text to judge, whether or not this version knows the field it stands in:
parts, names, refusals, tool calls and their results, tools, schemas, predictions, unknown fields. Left out are settings
and protocol names, which are closed lists (`guard.core.formats.fields`). A part of an unknown type is refused, and so
is a picture, file, audio or video in a field where Guard does not expect it, or a known field in another spelling;
files, audio and video in their places are named as unjudged.
"""

from typing import Any

from guard.core.conversation import Conversation, Path, Slot, Turn
from guard.core.document import read_document
from guard.core.formats.finish import finish
from guard.core.formats.parts import read_content
from guard.core.formats.reading import (
    Draft,
    check_spelling,
    context_turns,
    read_object,
    read_rest,
    read_role,
    read_string,
)
from guard.core.formats.tools import tools_turn
from guard.errors import RequestInvalid

# Schemas, in which a field may have any name.
_OPERATOR = frozenset({"functions", "response_format"})
_MESSAGE_FIELDS = frozenset({"role", "content", "name", "audio"})
# Of a message, in the words of tools: an argument may well be called "file".
_CALLS = frozenset({"tool_calls", "function_call"})


def parse_chat(body: bytes, *, max_images: int) -> Conversation:
    """Return the conversation in the body of a chat completions request.

    `Conversation.body` is the body written anew; data URLs in it have lost the white space that base64 may hold, and
    are headed by the media type that their first bytes show.

    Raises:
        RequestInvalid: not JSON, ambiguous JSON, or not shaped like a chat request; more than `max_images` pictures
            or than `MAX_TURNS` messages.
        UnknownPart: a content part of a type that Guard does not know, or content where it does not belong. Messages
            name the place, never the content.
    """
    document = read_document(body)
    check_spelling(document, "")
    slots: dict[str, Slot] = {}
    turns = read_messages(document.get("messages"), slots)
    context = list(context_turns(document, but=("messages", "tools"), operator=_OPERATOR))
    if "tools" in document:
        context.append(tools_turn(document["tools"], "tools"))
    return finish(document, turns, context, slots, max_images=max_images)


def read_messages(messages: Any, slots: dict[str, Slot], *, field: str = "messages", thread: int = 0) -> list[Turn]:
    """Return the turns of a list of messages, which stands in `field`. Raises RequestInvalid, UnknownPart."""
    if not isinstance(messages, list) or not messages:
        raise RequestInvalid(f"{field}: must be a list with at least one message")
    return [
        _turn(message, f"{field}[{index}]", (field, index), slots, thread) for index, message in enumerate(messages)
    ]


def _turn(message: Any, place: str, path: Path, slots: dict[str, Slot], thread: int) -> Turn:
    message = read_object(message, place)
    role = read_role(message, place)
    draft = Draft(slots)
    name = message.get("name")
    if name is not None:
        draft.texts.append(f"{read_string(name, f'{place}.name')}:")
    read_content(draft, message.get("content"), f"{place}.content", (*path, "content"))
    if message.get("audio") is not None:
        draft.unjudged.append("audio_part")
    for key, value in message.items():
        if key not in _MESSAGE_FIELDS:
            read_rest(draft, key, value, f"{place}.", may_name_content=key in _CALLS)
    return draft.turn(role, place, thread=thread)

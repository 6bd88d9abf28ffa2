"""OpenAI chat completions: bytes of a request to a `Conversation`.

Every string that a model may read becomes text to judge, whether or not this version knows the field it stands in:
parts, names, refusals, tool calls and their results, tools, schemas, predictions, unknown fields. Left out are settings
and protocol names, which are closed lists (`guard.core.fields`). A part of an unknown type is refused, and so is a
picture, file, audio or video in a field where Guard does not expect it, or a known field in another spelling; files,
audio and video in their places are named as unjudged.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from guard.core.conversation import Conversation, Path, Turn
from guard.core.document import read_document, write_document
from guard.core.fields import content_field, is_setting, misspelled
from guard.core.image import decode_base64, media_type
from guard.core.language import is_name, is_protocol, language_in
from guard.errors import ImageRejected, ImageUnreachable, RequestInvalid, UnknownPart
from guard.types import ImageInput

# Each message is a pair to judge.
MAX_MESSAGES = 2048

# What the operator of an app writes, not its user: schemas, in which a field may have any name.
_OPERATOR = frozenset({"tools", "functions", "response_format"})

_TEXT_PARTS = {
    "text": "text",
    "input_text": "text",
    "output_text": "text",
    "refusal": "refusal",
    "thinking": "thinking",
    "reasoning": "reasoning",
}
_UNSEEN_PARTS = {
    "file": "file_part",
    "input_file": "file_part",
    "document": "file_part",
    "input_audio": "audio_part",
    "audio": "audio_part",
    "audio_url": "audio_part",
    "video": "video_part",
    "video_url": "video_part",
    "input_video": "video_part",
}
_UNSEEN_FIELDS = frozenset({"source", "file_data", "file_url", "file_id"})
_MESSAGE_FIELDS = frozenset({"role", "content", "name", "audio"})
# Of a message, in the words of tools: an argument may well be called "file".
_CALLS = frozenset({"tool_calls", "function_call"})
_PART_FIELDS = _TEXT_PARTS.keys() | _UNSEEN_PARTS.keys() | _UNSEEN_FIELDS
# Any name may be a role of some server; a sentence in its place would be read by nobody but the model.
_ROLE = re.compile(r"[A-Za-z_]{1,32}")
# What people let into base64: everything else makes the picture unjudged.
_BLANKS = " \n\r\t"
# Enough base64 to tell a media type by the first bytes.
_HEAD_CHARS = 32


def parse_chat(body: bytes, *, max_images: int) -> Conversation:
    """Return the conversation in the body of a chat completions request.

    `Conversation.body` is the body written anew; data URLs in it have lost the white space that base64 may hold, and
    are headed by the media type that their first bytes show.

    Raises:
        RequestInvalid: not JSON, ambiguous JSON, or not shaped like a chat request; more than `max_images` pictures
            or than `MAX_MESSAGES` messages.
        UnknownPart: a content part of a type that Guard does not know, or content where it does not belong. Messages
            name the place, never the content.
    """
    document = read_document(body)
    _check_spelling(document, "")
    messages = document.get("messages")
    if not isinstance(messages, list) or not messages:
        raise RequestInvalid("messages: must be a list with at least one message")
    if len(messages) > MAX_MESSAGES:
        raise RequestInvalid(f"messages: {len(messages):,}, limit is {MAX_MESSAGES:,}")
    slots: dict[str, Path] = {}
    turns = tuple(_turn(message, index, slots) for index, message in enumerate(messages))
    images = sum(len(turn.images) for turn in turns)
    if images > max_images:
        raise RequestInvalid(f"messages: {images} pictures, limit is {max_images}")
    context = tuple(_context_turns(document))
    return Conversation(document, write_document(document), turns, context, slots)


@dataclass(slots=True)
class _Draft:
    """What was found so far in one message; `slots` collects where URLs of pictures stand."""

    slots: dict[str, Path]
    texts: list[str] = field(default_factory=list)
    images: list[ImageInput] = field(default_factory=list)
    unjudged: list[str] = field(default_factory=list)


def _turn(message: Any, index: int, slots: dict[str, Path]) -> Turn:
    place = f"messages[{index}]"
    if not isinstance(message, dict):
        raise RequestInvalid(f"{place}: must be an object")
    role = message.get("role")
    if not isinstance(role, str) or not _ROLE.fullmatch(role) or not is_name(role):
        raise RequestInvalid(f"{place}.role: must be the name of a role")
    _check_spelling(message, f"{place}.")
    draft = _Draft(slots)
    name = message.get("name")
    if name is not None:
        draft.texts.append(f"{_string(name, f'{place}.name')}:")
    _read_content(draft, message.get("content"), f"{place}.content", ("messages", index, "content"))
    if message.get("audio") is not None:
        draft.unjudged.append("audio_part")
    for key, value in message.items():
        if key not in _MESSAGE_FIELDS:
            _read_rest(draft, key, value, f"{place}.", may_name_content=key in _CALLS)
    return Turn(role, place, tuple(draft.texts), tuple(draft.images), tuple(draft.unjudged))


def _context_turns(document: dict[str, Any]) -> Iterator[Turn]:
    chooses = "tool_choice" in document or "function_call" in document
    tools = frozenset(language_in([document.get("tools"), document.get("functions")])) if chooses else frozenset()
    for key, value in document.items():
        if key == "messages" or is_setting(key, value, tools):
            continue
        draft = _Draft({})
        _read_rest(draft, key, value, "", may_name_content=key in _OPERATOR)
        role = "developer" if key in _OPERATOR else "context"
        yield Turn(role, key, tuple(draft.texts), unjudged=tuple(draft.unjudged))


def _read_content(draft: _Draft, content: Any, place: str, path: Path) -> None:
    match content:
        case None:
            pass
        case str():
            draft.texts.append(content)
        case list():
            for index, part in enumerate(content):
                if isinstance(part, str):
                    draft.texts.append(part)
                else:
                    _read_part(draft, part, f"{place}[{index}]", (*path, index))
        case _:
            raise RequestInvalid(f"{place}: must be a string, a list of parts or null")


def _read_part(draft: _Draft, part: Any, place: str, path: Path) -> None:
    if not isinstance(part, dict):
        raise RequestInvalid(f"{place}: must be an object")
    kind = part.get("type")
    if not isinstance(kind, str):
        raise UnknownPart(f"{place}: has no type")
    _check_spelling(part, f"{place}.")
    if kind in _TEXT_PARTS:
        own = {_TEXT_PARTS[kind]}
        draft.texts.append(_string(part.get(_TEXT_PARTS[kind]), f"{place}.{_TEXT_PARTS[kind]}"))
    elif kind in ("image_url", "input_image"):
        own = {"image_url", "file_id"}
        _read_picture(draft, part, place, path)
    elif kind in _UNSEEN_PARTS:
        own = {kind, *_UNSEEN_FIELDS}
        draft.unjudged.append(_UNSEEN_PARTS[kind])
    else:
        raise UnknownPart(f"{place}: a part of a type that Guard does not know")
    for key, value in part.items():
        if key in own:
            continue
        if key in _PART_FIELDS and value:
            raise UnknownPart(f"{place}.{key}: does not belong into a part of this type")
        _read_rest(draft, key, value, f"{place}.")


def _read_picture(draft: _Draft, part: dict[str, Any], place: str, path: Path) -> None:
    holder, key, path = part, "image_url", (*path, "image_url")
    if isinstance(part.get("image_url"), dict):
        holder, key, path = part["image_url"], "url", (*path, "url")
        _check_spelling(holder, f"{place}.image_url.")
        for name, value in holder.items():
            if name != "url":
                _read_rest(draft, name, value, f"{place}.image_url.")
    if part.get("file_id") is not None:
        draft.unjudged.append("file_id")
        if part.get("image_url") is None:
            return
    url = _string(holder.get(key), f"{place}.image_url")
    if url[:5].lower() == "data:" and any(blank in url for blank in _BLANKS):
        holder[key] = url = "".join(url.split())
    image = image_input(url, place)
    if image.encoded is not None:
        head = _true_head(image.encoded)
        # Nothing of the picture's size is copied for who declares what is there.
        if head is not None and url[: len(url) - len(image.encoded)] != head:
            holder[key] = f"{head}{image.encoded}"
    draft.slots[place] = path
    draft.images.append(image)


def _true_head(encoded: str) -> str | None:
    """Return how the data URL of a picture begins that declares what its first bytes are; None for other bytes."""
    try:
        declared = media_type(decode_base64(encoded[:_HEAD_CHARS]))
    except ImageRejected:
        return None
    return None if declared is None else f"data:{declared};base64,"


def image_input(url: str, place: str) -> ImageInput:
    """Return the picture behind a data URL or an http(s) URL; anything else is a picture that cannot be judged.

    So is a data URL that calls itself something else than a picture: its bytes may be a picture to Guard and a document
    to an upstream that goes by the declared type.
    """
    if url[:5].lower() == "data:":
        head, _, encoded = url.partition(",")
        declared = head.lower()
        if not (declared.startswith("data:image/") and declared.endswith(";base64")) or not encoded:
            return ImageInput(failure=ImageRejected.code, place=place)
        return ImageInput(encoded=encoded, place=place)
    if url[:8].lower().startswith(("http://", "https://")):
        return ImageInput(url=url, place=place)
    return ImageInput(failure=ImageUnreachable.code, place=place)


def _check_spelling(fields: dict[str, Any], place: str) -> None:
    name = misspelled(fields)
    if name is not None:
        raise RequestInvalid(f"{place}{name}: stands there in another spelling")


def _read_rest(draft: _Draft, key: str, value: Any, place: str, *, may_name_content: bool = False) -> None:
    """Read a field in which Guard expects neither pictures nor files, whether or not it knows the field."""
    if is_protocol(key, value):
        return
    name = None if may_name_content else content_field({key: value})
    if name is not None:
        raise UnknownPart(f"{place}{name}: pictures, files, audio and video belong into content parts of their type")
    if not is_name(key):
        draft.texts.append(key)
    _add_language(draft, value)


def _add_language(draft: _Draft, value: Any) -> None:
    language = []
    for text in language_in(value):
        if text[:5].lower() == "data:":
            draft.unjudged.append("file_part")
        else:
            language.append(text)
    if language:
        draft.texts.append("\n".join(language))


def _string(value: Any, place: str) -> str:
    if not isinstance(value, str):
        raise RequestInvalid(f"{place}: must be a string")
    return value

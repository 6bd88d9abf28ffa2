"""OpenAI chat completions: bytes of a request to a `Conversation`.

Every string that a model may read becomes text to judge, whether or not this version knows the field it stands in:
parts, names, refusals, tool calls and their results, tools, schemas, predictions, unknown fields. Left out are settings
(`_SETTINGS`) and protocol names. A part of an unknown type is refused; files, audio and video are named as unjudged.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from guard.core.conversation import Conversation, Path, Turn
from guard.core.document import read_document, write_document
from guard.core.language import is_protocol, language_in
from guard.errors import ImageRejected, ImageUnreachable, RequestInvalid, UnknownPart
from guard.types import ImageInput

# Each message is a pair to judge.
MAX_MESSAGES = 2048

# Top-level fields that steer the API and that no model reads.
_SETTINGS = frozenset({
    "audio", "frequency_penalty", "function_call", "logit_bias", "logprobs", "max_completion_tokens", "max_tokens",
    "messages", "metadata", "min_p", "modalities", "model", "n", "parallel_tool_calls", "presence_penalty",
    "prompt_cache_key", "prompt_cache_retention", "reasoning_effort", "repetition_penalty", "safety_identifier", "seed",
    "service_tier", "stop", "store", "stream", "stream_options", "temperature", "tool_choice", "top_k", "top_logprobs",
    "top_p", "user", "verbosity",
})  # fmt: skip
# What the operator of an app writes, not its user.
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
# Where other servers expect pictures: taking them for text would let them pass unseen.
_PICTURE_FIELDS = frozenset({"images", "image", "image_url"})
_CONTENT_FIELDS = _PICTURE_FIELDS | _TEXT_PARTS.keys() | _UNSEEN_PARTS.keys() | _UNSEEN_FIELDS
# Any name may be a role of some server; a sentence in its place would be read by nobody but the model.
_ROLE = re.compile(r"[A-Za-z_]{1,32}")
# What people let into base64: everything else makes the picture unjudged.
_BLANKS = " \n\r\t"


def parse_chat(body: bytes, *, max_images: int) -> Conversation:
    """Return the conversation in the body of a chat completions request.

    `Conversation.body` is the body written anew; data URLs in it have lost the white space that base64 may hold.

    Raises:
        RequestInvalid: not JSON, ambiguous JSON, or not shaped like a chat request; more than `max_images` pictures
            or than `MAX_MESSAGES` messages.
        UnknownPart: a content part of a type that Guard does not know. Messages name the place, never the content.
    """
    document = read_document(body)
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
    context = tuple(_context_turn(key, value) for key, value in document.items() if key not in _SETTINGS)
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
    if not isinstance(role, str) or not _ROLE.fullmatch(role):
        raise RequestInvalid(f"{place}.role: must be a name of at most 32 letters")
    draft = _Draft(slots)
    name = message.get("name")
    if name is not None:
        draft.texts.append(f"{_string(name, f'{place}.name')}:")
    _read_content(draft, message.get("content"), f"{place}.content", ("messages", index, "content"))
    if message.get("audio") is not None:
        draft.unjudged.append("audio_part")
    for key, value in message.items():
        if key in _PICTURE_FIELDS and value:
            raise UnknownPart(f"{place}.{key}: pictures belong into content parts")
        if key not in _MESSAGE_FIELDS and not is_protocol(key, value):
            _add_language(draft, value)
    return Turn(role, place, tuple(draft.texts), tuple(draft.images), tuple(draft.unjudged))


def _context_turn(key: str, value: Any) -> Turn:
    draft = _Draft({})
    _add_language(draft, value)
    role = "developer" if key in _OPERATOR else "context"
    return Turn(role, key, tuple(draft.texts), unjudged=tuple(draft.unjudged))


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
        if key in own or is_protocol(key, value):
            continue
        if key in _CONTENT_FIELDS and value:
            raise UnknownPart(f"{place}.{key}: does not belong into a part of this type")
        _add_language(draft, value)


def _read_picture(draft: _Draft, part: dict[str, Any], place: str, path: Path) -> None:
    holder, key, path = part, "image_url", (*path, "image_url")
    if isinstance(part.get("image_url"), dict):
        holder, key, path = part["image_url"], "url", (*path, "url")
        _add_language(draft, {name: value for name, value in holder.items() if name != "url"})
    if part.get("file_id") is not None:
        draft.unjudged.append("file_id")
        if part.get("image_url") is None:
            return
    url = _string(holder.get(key), f"{place}.image_url")
    if url[:5].lower() == "data:" and any(blank in url for blank in _BLANKS):
        holder[key] = url = "".join(url.split())
    draft.slots[place] = path
    draft.images.append(image_input(url, place))


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

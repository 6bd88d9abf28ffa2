"""Content as OpenAI's APIs write it: a string, or a list of parts, each with its type."""

from collections.abc import Mapping
from typing import Any

from guard.core.conversation import Path
from guard.core.formats.pictures import read_url
from guard.core.formats.reading import FILE, FILE_ID, Draft, check_spelling, read_object, read_rest, read_string
from guard.errors import RequestInvalid, UnknownPart

_TEXT_PARTS = {
    "text": "text",
    "input_text": "text",
    "output_text": "text",
    "summary_text": "text",
    "reasoning_text": "text",
    "refusal": "refusal",
    "thinking": "thinking",
    "reasoning": "reasoning",
}
_PICTURE_PARTS = frozenset({"image_url", "input_image", "computer_screenshot"})
_UNSEEN_PARTS = {
    "file": FILE,
    "input_file": FILE,
    "document": FILE,
    "input_audio": "audio_part",
    "audio": "audio_part",
    "audio_url": "audio_part",
    "video": "video_part",
    "video_url": "video_part",
    "input_video": "video_part",
}
_UNSEEN_FIELDS = frozenset({"source", "file_data", "file_url", "file_id"})
_PART_FIELDS = _TEXT_PARTS.keys() | _PICTURE_PARTS | _UNSEEN_PARTS.keys() | _UNSEEN_FIELDS
# Where an answer quotes a file, it names it.
_NAMES_OF_FILES: Mapping[str, tuple[str, ...]] = {"annotations": ("file_id",)}


def read_content(draft: Draft, content: Any, place: str, path: Path) -> None:
    """Read a string, a list of parts, or null. Raises RequestInvalid, UnknownPart."""
    match content:
        case None:
            pass
        case str():
            draft.say(content, place, path)
        case list():
            for index, part in enumerate(content):
                if isinstance(part, str):
                    draft.say(part, f"{place}[{index}]", (*path, index))
                else:
                    read_part(draft, part, f"{place}[{index}]", (*path, index))
        case _:
            raise RequestInvalid(f"{place}: must be a string, a list of parts or null")


def read_part(draft: Draft, part: Any, place: str, path: Path) -> None:
    """Read one part. Raises RequestInvalid, UnknownPart: its type is unknown, or it holds what belongs elsewhere."""
    if not isinstance(part, dict):
        raise RequestInvalid(f"{place}: must be an object")
    kind = part.get("type")
    if not isinstance(kind, str):
        raise UnknownPart(f"{place}: has no type")
    read_object(part, place)
    if kind in _TEXT_PARTS:
        name = _TEXT_PARTS[kind]
        own = {name}
        draft.say(read_string(part.get(name), f"{place}.{name}"), f"{place}.{name}", (*path, name))
    elif kind in _PICTURE_PARTS:
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
        read_rest(draft, key, value, f"{place}.", names=_NAMES_OF_FILES.get(key, ()))


def _read_picture(draft: Draft, part: dict[str, Any], place: str, path: Path) -> None:
    if part.get("file_id") is not None:
        draft.unjudged.append(FILE_ID)
        if part.get("image_url") is None:
            return
    inner = part.get("image_url")
    if not isinstance(inner, dict):
        read_url(draft, part, "image_url", place, (*path, "image_url"))
        return
    check_spelling(inner, f"{place}.image_url.")
    for name, value in inner.items():
        if name != "url":
            read_rest(draft, name, value, f"{place}.image_url.")
    read_url(draft, inner, "url", place, (*path, "image_url", "url"))

"""What every format reads in the same way: unknown fields, spellings, strings, and what only a provider can decrypt."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from guard.core.conversation import Path, Slot, Turn
from guard.core.formats.ciphertext import is_file, said_in
from guard.core.formats.embedded import embedded_in, without
from guard.core.formats.fields import content_field, is_setting, misspelled
from guard.core.formats.language import is_name, is_protocol, language_in
from guard.core.image import data_url, write_base64
from guard.errors import RequestInvalid, UnknownPart
from guard.types import ImageInput

# Each turn is a pair to judge.
MAX_TURNS = 2048

# Codes of content that no request shows.
FILE, FILE_ID = "file_part", "file_id"
STORED = "stored_content"  # kept by the API: earlier answers, conversations, prompts, containers
SERVER_TOOL = "server_tool"  # brought in by a tool that the API runs itself

# Top-level fields by which a request refers to what no request shows, here or on other servers.
_UNSEEN = {
    "container": STORED,
    "conversation": STORED,
    "data_sources": SERVER_TOOL,
    "mcp_servers": SERVER_TOOL,
    "previous_response_id": STORED,
    "prompt_id": STORED,
    "thread": STORED,
}
# Any name may be a role of some server; a sentence in its place would be read by nobody but the model.
_ROLE = re.compile(r"[A-Za-z_]{1,32}")


@dataclass(slots=True)
class Draft:
    """What was found so far in one turn; `slots` collects where its pictures stand."""

    slots: dict[str, Slot]
    texts: list[str] = field(default_factory=list)
    images: list[ImageInput] = field(default_factory=list)
    unjudged: list[str] = field(default_factory=list)

    def say(self, text: str, place: str, path: Path) -> None:
        """Take a text that stands at `path`; pictures in it are pictures, and other files are what nobody judges."""
        pieces = embedded_in(text)
        for number, piece in enumerate(pieces):
            if piece.encoded is None:
                self.unjudged.append(FILE)
                continue
            shown = ImageInput(encoded=piece.encoded, place=f"{place}#{number}")
            self.slots[shown.place] = Slot(
                path, data_url if piece.is_data_url else write_base64, (piece.start, piece.end)
            )
            self.images.append(shown)
        self.texts.append(without(text, pieces) if pieces else text)

    def turn(self, role: str, place: str, *, thread: int = 0) -> Turn:
        """Return the turn that was read."""
        return Turn(role, place, tuple(self.texts), tuple(self.images), tuple(self.unjudged), thread)


def said(role: str, place: str, text: str, slots: dict[str, Slot] | None = None) -> Turn:
    """Return the turn that a text is; `slots` takes its pictures where it is a field of the document's top."""
    draft = Draft({} if slots is None else slots)
    draft.say(text, place, (place,))
    return draft.turn(role, place)


def read_role(message: Mapping[str, Any], place: str) -> str:
    """Return the role of a message. Raises RequestInvalid: it is no name."""
    role = message.get("role")
    if not isinstance(role, str) or not _ROLE.fullmatch(role) or not is_name(role):
        raise RequestInvalid(f"{place}.role: must be the name of a role")
    return role


def read_string(value: Any, place: str) -> str:
    """Return a string. Raises RequestInvalid for anything else."""
    if not isinstance(value, str):
        raise RequestInvalid(f"{place}: must be a string")
    return value


def read_object(value: Any, place: str) -> dict[str, Any]:
    """Return an object in which no name of Guard's stands in another spelling. Raises RequestInvalid."""
    if not isinstance(value, dict):
        raise RequestInvalid(f"{place}: must be an object")
    check_spelling(value, f"{place}.")
    return value


def check_spelling(fields: Mapping[str, Any], place: str) -> None:
    """Refuse a name in another spelling, which other servers would take for it. Raises RequestInvalid."""
    name = misspelled(fields)
    if name is not None:
        raise RequestInvalid(f"{place}{name}: stands there in another spelling")


def read_rest(
    draft: Draft, key: str, value: Any, place: str, *, may_name_content: bool = False, names: Iterable[str] = ()
) -> None:
    """Read a field in which Guard expects neither pictures nor files, whether or not it knows the field.

    Args:
        draft: takes what is found.
        key: name of the field.
        value: any JSON value.
        place: of the object around it, with its dot.
        may_name_content: arguments of a tool may well be called "file".
        names: of fields of content that only name a file here.

    Raises:
        UnknownPart: there is content in it all the same.
    """
    if is_protocol(key, value):
        return
    found = None if may_name_content else content_field({key: value}, passed_over=frozenset(names))
    if found is not None:
        raise UnknownPart(f"{place}{found}: pictures, files, audio and video belong into content parts of their type")
    if not is_name(key):
        draft.texts.append(key)
    _add_language(draft, value, key=key, may_name_content=may_name_content)


def read_fields(
    draft: Draft, fields: Mapping[str, Any], place: str, *, but: Iterable[str] = (), may_name_content: bool = False
) -> None:
    """Read the fields of an object, but those that were read already. Raises UnknownPart, as `read_rest`."""
    for key, value in fields.items():
        if key not in but:
            read_rest(draft, key, value, f"{place}.", may_name_content=may_name_content)


def context_turns(
    document: Mapping[str, Any], *, but: Iterable[str], operator: Iterable[str], place: str = "", thread: int = 0
) -> Iterator[Turn]:
    """Yield a turn for each field beside the messages that a model may read, or that refers to what no request shows.

    Everything but closed settings is read.

    Args:
        document: the request.
        but: fields that were read already.
        operator: fields that the operator of an app writes, not its user, and in which a name may be any.
        place: of the document, with its dot.
        thread: which of several conversations it is.
    """
    chooses = "tool_choice" in document or "function_call" in document
    tools = frozenset(language_in([document.get("tools"), document.get("functions")])) if chooses else frozenset()
    for key, value in document.items():
        if key in but or is_setting(key, value, tools):
            continue
        draft = Draft({}, unjudged=[_UNSEEN[key]] if key in _UNSEEN and value else [])
        read_rest(draft, key, value, place, may_name_content=key in operator or key in _UNSEEN)
        yield draft.turn("developer" if key in operator else "context", f"{place}{key}", thread=thread)


def read_opaque(draft: Draft, value: Any, place: str) -> None:
    """Read what a provider encrypted, for itself to decrypt (`guard.core.formats.ciphertext`)."""
    for text in said_in(read_string(value, place)):
        _add_language(draft, text)


def _add_language(draft: Draft, value: Any, *, key: str = "", may_name_content: bool = False) -> None:
    language = []
    for text in language_in(value, key=key):
        if text[:5].lower() == "data:" or (not may_name_content and is_file(text)):
            draft.unjudged.append(FILE)
            continue
        pieces = embedded_in(text)
        draft.unjudged += [FILE] * len(pieces)
        language.append(without(text, pieces) if pieces else text)
    if language:
        draft.texts.append("\n".join(language))

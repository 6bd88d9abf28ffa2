"""Content as Anthropic's API writes it: a string, or a list of blocks, each with its type."""

from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any

from guard.core.conversation import Path, Slot
from guard.core.formats.pictures import image_input, read_base64
from guard.core.formats.reading import (
    FILE,
    FILE_ID,
    STORED,
    Draft,
    read_fields,
    read_object,
    read_opaque,
    read_rest,
    read_string,
)
from guard.core.formats.tools import read_tools
from guard.core.image import media_type
from guard.errors import ImageRejected, RequestInvalid, UnknownPart
from guard.types import ImageInput

# Blocks in which a tool speaks, not whoever sent the message.
RESULTS = frozenset({
    "tool_result", "mcp_tool_result", "web_search_tool_result", "web_fetch_tool_result", "code_execution_tool_result",
    "bash_code_execution_tool_result", "text_editor_code_execution_tool_result", "tool_search_tool_result",
    "advisor_tool_result",
})  # fmt: skip
# Inner blocks of these results.
_OF_RESULTS = frozenset({
    "web_search_result", "web_fetch_result", "code_execution_result", "encrypted_code_execution_result",
    "bash_code_execution_result", "text_editor_code_execution_create_result", "advisor_result",
    "text_editor_code_execution_str_replace_result", "text_editor_code_execution_view_result",
    "tool_search_tool_search_result", "advisor_redacted_result", "web_search_tool_result_error",
    "web_fetch_tool_result_error", "code_execution_tool_result_error", "bash_code_execution_tool_result_error",
    "text_editor_code_execution_tool_result_error", "tool_search_tool_result_error", "advisor_tool_result_error",
})  # fmt: skip
_OUTPUTS = frozenset({"code_execution_output", "bash_code_execution_output"})
_CALLS = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
# Fields that decide what a block is; in a block of another type a lenient server would take it for something else.
_STRUCTURE = frozenset({"source", "text", "thinking", "data", "content"})
_ENCRYPTED = frozenset({"signature", "encrypted_content", "encrypted_stdout", "encrypted_index"})

# Returns the fields that it read.
_Reader = Callable[[Draft, dict[str, Any], str, Path], tuple[str, ...]]


def read_blocks(draft: Draft, content: Any, place: str, path: Path) -> None:
    """Read a string, a list of blocks, or null. Raises RequestInvalid, UnknownPart."""
    match content:
        case None:
            pass
        case str():
            draft.say(content, place, path)
        case list():
            for index, block in enumerate(content):
                read_block(draft, block, f"{place}[{index}]", (*path, index))
        case dict():
            read_block(draft, content, place, path)
        case _:
            raise RequestInvalid(f"{place}: must be a string or a list of blocks")


def read_block(draft: Draft, block: Any, place: str, path: Path) -> None:
    """Read one block. Raises RequestInvalid, UnknownPart: its type is unknown, or it holds what belongs elsewhere."""
    if isinstance(block, str):
        draft.say(block, place, path)
        return
    if not isinstance(block, dict):
        raise RequestInvalid(f"{place}: must be an object")
    kind = block.get("type")
    if not isinstance(kind, str):
        raise UnknownPart(f"{place}: has no type")
    read = _READERS.get(kind)
    if read is None:
        raise UnknownPart(f"{place}: a block of a type that Guard does not know")
    read_object(block, place)
    own = read(draft, block, place, path)
    for key, value in block.items():
        if key in own:
            continue
        if key in _STRUCTURE and value and not (kind == "search_result" and isinstance(value, str)):
            raise UnknownPart(f"{place}.{key}: does not belong into a block of this type")
        if key in _ENCRYPTED and value is not None:
            read_opaque(draft, value, f"{place}.{key}")
        elif key == "citations":
            _read_citations(draft, value, f"{place}.")
        else:
            read_rest(draft, key, value, f"{place}.", may_name_content=kind in _CALLS and key == "input")


def _text_in(field: str) -> _Reader:
    def read(draft: Draft, block: dict[str, Any], place: str, path: Path) -> tuple[str, ...]:
        draft.say(read_string(block.get(field), f"{place}.{field}"), f"{place}.{field}", (*path, field))
        return (field,)

    return read


def _content(draft: Draft, block: dict[str, Any], place: str, path: Path) -> tuple[str, ...]:
    read_blocks(draft, block.get("content"), f"{place}.content", (*path, "content"))
    return ("content",)


def _language(draft: Draft, block: dict[str, Any], place: str, path: Path) -> tuple[str, ...]:
    return ()


def _image(draft: Draft, block: dict[str, Any], place: str, path: Path) -> tuple[str, ...]:
    source = read_object(block.get("source"), f"{place}.source")
    slot = Slot((*path, "source"), _as_source)
    own: tuple[str, ...] = ("type",)
    match source.get("type"):
        case "base64":
            own = ("type", "data", "media_type")
            read_base64(draft, source, "data", place, slot, declared="media_type")
        case "url":
            own = ("type", "url")
            url = read_string(source.get("url"), f"{place}.source.url")
            image = image_input(url, place)
            # A data URL is no URL to this API: what a lenient server made of it is not known.
            draft.images.append(image if image.encoded is None else ImageInput(failure=ImageRejected.code, place=place))
            draft.slots[place] = slot
        case "file":
            own = ("type", "file_id")
            draft.unjudged.append(FILE_ID)
        case _:
            raise UnknownPart(f"{place}.source: of a type that Guard does not know")
    read_fields(draft, source, f"{place}.source", but=own)
    return ("source",)


def _as_source(data: bytes) -> dict[str, str]:
    declared = media_type(data) or "application/octet-stream"
    return {"type": "base64", "media_type": declared, "data": b64encode(data).decode()}


def _document(draft: Draft, block: dict[str, Any], place: str, path: Path) -> tuple[str, ...]:
    source = read_object(block.get("source"), f"{place}.source")
    own: tuple[str, ...]
    match source.get("type"):
        case "text":
            own = ("type", "data")
            at = f"{place}.source.data"
            draft.say(read_string(source.get("data"), at), at, (*path, "source", "data"))
        case "content":
            own = ("type", "content")
            read_blocks(draft, source.get("content"), f"{place}.source.content", (*path, "source", "content"))
        case "base64" | "url":
            own = ("type", "data", "media_type", "url")
            draft.unjudged.append(FILE)
        case "file":
            own = ("type", "file_id")
            draft.unjudged.append(FILE_ID)
        case _:
            raise UnknownPart(f"{place}.source: of a type that Guard does not know")
    read_fields(draft, source, f"{place}.source", but=own)
    return ("source",)


def _redacted(draft: Draft, block: dict[str, Any], place: str, path: Path) -> tuple[str, ...]:
    read_opaque(draft, block.get("data"), f"{place}.data")
    return ("data",)


def _output(draft: Draft, block: dict[str, Any], place: str, path: Path) -> tuple[str, ...]:
    draft.unjudged.append(FILE_ID)
    return ("file_id",)


def _compaction(draft: Draft, block: dict[str, Any], place: str, path: Path) -> tuple[str, ...]:
    """Read what stands for all that was said before: in words, or for the provider alone to read."""
    if block.get("encrypted_content") is not None or block.get("content") is None:
        draft.unjudged.append(STORED)
    return (*_content(draft, block, place, path), "encrypted_content")


def _tools(draft: Draft, block: dict[str, Any], place: str, path: Path) -> tuple[str, ...]:
    read_tools(draft, block.get("tools"), f"{place}.tools")
    if block.get("tool") is not None:
        read_tools(draft, [block["tool"]], f"{place}.tool")
    return ("tool", "tools")


def _read_citations(draft: Draft, value: Any, place: str) -> None:
    """Read quotations: they name files, and some hold what only the provider can read."""
    for cited in value if isinstance(value, list) else [value]:
        plain = cited
        if isinstance(cited, dict):
            plain = {key: inner for key, inner in cited.items() if key not in _ENCRYPTED}
            for key in _ENCRYPTED & cited.keys():
                if cited[key] is not None:
                    read_opaque(draft, cited[key], f"{place}citations.{key}")
        read_rest(draft, "citations", plain, place, names=("file_id",))


_READERS: Mapping[str, _Reader] = {
    "text": _text_in("text"),
    "thinking": _text_in("thinking"),
    "redacted_thinking": _redacted,
    "image": _image,
    "document": _document,
    "search_result": _content,
    "compaction": _compaction,
    "container_upload": _output,
    "tool_reference": _language,
    "tool_addition": _tools,
    "tool_removal": _language,
    "mcp_tool_listing": _tools,
    "browser_state": _language,
    "fallback": _language,
    **dict.fromkeys(_CALLS, _language),
    **dict.fromkeys(RESULTS, _content),
    **dict.fromkeys(_OF_RESULTS, _content),
    **dict.fromkeys(_OUTPUTS, _output),
}

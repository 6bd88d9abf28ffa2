"""OpenAI responses: bytes of a request to a `Conversation`.

Each item of the input is a turn. Items, like parts, are a closed list: one of an unknown type is refused. What a
request only refers to (an earlier answer, a conversation, a stored prompt, an item by its id) is kept by the API; Guard
has not seen it, and names it as unjudged.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from guard.core.conversation import Conversation, Path, Slot, Turn
from guard.core.document import read_document
from guard.core.formats.finish import finish
from guard.core.formats.parts import read_content, read_part
from guard.core.formats.pictures import read_base64
from guard.core.formats.reading import (
    FILE,
    STORED,
    Draft,
    check_spelling,
    context_turns,
    read_fields,
    read_object,
    read_opaque,
    read_rest,
    read_role,
    read_string,
    said,
)
from guard.core.formats.tools import read_tools, tools_turn
from guard.core.image import write_base64
from guard.errors import RequestInvalid, UnknownPart

# Which hold JSON schemas, in which a field may have any name.
_OPERATOR = frozenset({"text"})
_READ_ALREADY = frozenset({"input", "instructions", "prompt", "tools"})


def parse_responses(body: bytes, *, max_images: int) -> Conversation:
    """Return the conversation in the body of a responses request, or of one that counts its tokens or compacts it.

    Raises:
        RequestInvalid: not JSON, ambiguous JSON, or not shaped like such a request; more than `max_images` pictures or
            than `MAX_TURNS` items.
        UnknownPart: an item or part of a type that Guard does not know, or content where it does not belong.
    """
    document = read_document(body)
    check_spelling(document, "")
    slots: dict[str, Slot] = {}
    turns = [*_given(document, slots), *_turns(document.get("input"), slots)]
    context = [
        *context_turns(document, but=_READ_ALREADY, operator=_OPERATOR),
        tools_turn(document.get("tools"), "tools"),
    ]
    return finish(document, turns, context, slots, max_images=max_images, field="input")


def _given(document: Mapping[str, Any], slots: dict[str, Slot]) -> Iterator[Turn]:
    """Yield what stands before the input: instructions, and what is filled into a stored prompt."""
    if document.get("instructions") is not None:
        yield said("system", "instructions", read_string(document["instructions"], "instructions"), slots)
    if document.get("prompt") is not None:
        yield _stored_prompt(document["prompt"], slots)


def _stored_prompt(prompt: Any, slots: dict[str, Slot]) -> Turn:
    draft = Draft(slots, unjudged=[STORED])
    given = read_object(prompt, "prompt")
    variables = given.get("variables")
    if not isinstance(variables, dict | None):
        raise RequestInvalid("prompt.variables: must be an object")
    for index, (name, value) in enumerate((variables or {}).items()):
        draft.texts.append(name)
        if isinstance(value, str):
            draft.say(value, f"prompt.variables[{index}]", ("prompt", "variables", name))
        else:
            read_part(draft, value, f"prompt.variables[{index}]", ("prompt", "variables", name))
    read_fields(draft, given, "prompt", but=("variables",))
    return draft.turn("user", "prompt")


def _turns(given: Any, slots: dict[str, Slot]) -> Iterator[Turn]:
    match given:
        case None:
            return
        case str():
            yield said("user", "input", given, slots)
        case list():
            for index, item in enumerate(given):
                yield _turn(item, index, slots)
        case _:
            raise RequestInvalid("input: must be a string or a list of items")


def _turn(item: Any, index: int, slots: dict[str, Slot]) -> Turn:
    place = f"input[{index}]"
    item = read_object(item, place)
    kind = item.get("type")
    if kind is None:
        kind = "message" if "role" in item or "content" in item else "item_reference"
    known = _ITEMS.get(kind) if isinstance(kind, str) else None
    if known is None:
        raise UnknownPart(f"{place}: an item of a type that Guard does not know")
    role = known.role or read_role(item, place)
    draft = Draft(slots, unjudged=list(known.unjudged))
    if kind == "message" and item.get("content") is None:
        draft.unjudged.append(STORED)  # a server may have it by its id
    for key, value in item.items():
        read = known.fields.get(key)
        if read is not None and value is not None:
            read(draft, item, key, f"{place}.{key}", ("input", index, key))
        elif read is None and (key != "role" or known.role is not None):
            read_rest(draft, key, value, f"{place}.", may_name_content=known.is_of_tools and key in _OF_TOOLS)
    return draft.turn(role, place)


_Read = Callable[[Draft, dict[str, Any], str, str, Path], None]


def _content(draft: Draft, item: dict[str, Any], key: str, place: str, path: Path) -> None:
    read_content(draft, item[key], place, path)


def _screenshot(draft: Draft, item: dict[str, Any], key: str, place: str, path: Path) -> None:
    read_part(draft, item[key], place, path)


def _picture(draft: Draft, item: dict[str, Any], key: str, place: str, path: Path) -> None:
    read_base64(draft, item, key, place, Slot(path, write_base64))


def _opaque(draft: Draft, item: dict[str, Any], key: str, place: str, path: Path) -> None:
    read_opaque(draft, item[key], place)


def _outputs(draft: Draft, item: dict[str, Any], key: str, place: str, path: Path) -> None:
    """Read what code gave out: logs, and pictures that the API keeps."""
    read_rest(draft, key, item[key], place.removesuffix(key))
    if not isinstance(item[key], list) or any(_is_no_log(output) for output in item[key]):
        draft.unjudged.append(FILE)


def _is_no_log(output: Any) -> bool:
    return not isinstance(output, dict) or output.get("type") != "logs"


def _tools(draft: Draft, item: dict[str, Any], key: str, place: str, path: Path) -> None:
    read_tools(draft, item[key], place)


# Fields in the words of tools: an argument may well be called "file".
_OF_TOOLS = frozenset({
    "action", "arguments", "environment", "error", "input", "operation", "output", "results", "tools"
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Item:
    """How one type of item is read: who speaks in it (None: it says so), and which fields are more than language."""

    role: str | None
    fields: Mapping[str, _Read] = field(default_factory=dict)
    unjudged: tuple[str, ...] = ()
    is_of_tools: bool = False


_CALL = _Item("assistant", is_of_tools=True)
_RESULT = _Item("tool", {"output": _content})
_WORDS_OF_A_TOOL = _Item("tool", is_of_tools=True)
_ITEMS: Mapping[str, _Item] = {
    "message": _Item(None, {"content": _content}),
    "reasoning": _Item("assistant", {"summary": _content, "content": _content, "encrypted_content": _opaque}),
    "item_reference": _Item("context", unjudged=(STORED,)),
    # All that was said before, which only the API can read.
    "compaction": _Item("context", unjudged=(STORED,)),
    "compaction_trigger": _Item("context"),
    "configuration_update": _Item("context"),
    "additional_tools": _Item("developer", {"tools": _tools}),
    "function_call": _CALL,
    "function_call_output": _RESULT,
    "custom_tool_call": _CALL,
    "custom_tool_call_output": _RESULT,
    "computer_call": _CALL,
    "computer_call_output": _Item("tool", {"output": _screenshot}),
    "local_shell_call": _CALL,
    "local_shell_call_output": _RESULT,
    "shell_call": _CALL,
    "shell_call_output": _WORDS_OF_A_TOOL,
    "apply_patch_call": _CALL,
    "apply_patch_call_output": _RESULT,
    "code_interpreter_call": _Item("assistant", {"outputs": _outputs}),
    "image_generation_call": _Item("assistant", {"result": _picture}),
    "file_search_call": _CALL,
    "web_search_call": _CALL,
    "tool_search_call": _CALL,
    "tool_search_output": _Item("tool", {"tools": _tools}),
    "mcp_call": _CALL,
    "mcp_list_tools": _Item("tool", is_of_tools=True),
    "mcp_approval_request": _CALL,
    "mcp_approval_response": _Item("user"),
    "program": _CALL,
    "program_output": _WORDS_OF_A_TOOL,
}

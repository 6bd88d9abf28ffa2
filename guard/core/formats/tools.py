"""Tools that a request offers to a model: what they say is language, and some bring in content by themselves.

A tool of the caller's answers through the next request, where its result is judged. A tool that the API runs fetches
what Guard never sees: from files, from servers that the request names, or from wherever tools of a later version do.
Searching and opening the open web, running code and drawing are named here as what they are: they start from what the
request says, and that is judged.
"""

import re
from collections.abc import Mapping
from typing import Any

from guard.core.conversation import Turn
from guard.core.formats.reading import FILE_ID, SERVER_TOOL, STORED, Draft, read_object, read_rest
from guard.errors import RequestInvalid

# Their schemas may give any name to a field, and so may the input that a custom tool describes.
_OF_THE_CALLER = frozenset({"function", "custom", "namespace"})
# Types that bring in no files and no server of the caller's choice; Anthropic's are dated ("bash_20250124").
_HARMLESS = re.compile(
    r"(?:apply_patch|computer(?:_use_preview|-preview)?|local_shell|shell|image_generation|tool_search|advisor"
    r"|programmatic_tool_calling|web_search(?:_preview)?|web_fetch|bash|text_editor|memory|code_execution"
    r"|computer_toolset|browser_toolset|tool_search_tool_(?:regex|bm25))(?:_\d{8}|_\d{4}_\d\d_\d\d)?"
)


def tools_turn(tools: Any, place: str, *, thread: int = 0) -> Turn:
    """Return what a list of tools says, as a turn of the operator's, and what cannot be seen of it.

    Raises:
        RequestInvalid: not a list of objects.
        UnknownPart: a picture or file in a tool.
    """
    draft = Draft({})
    read_tools(draft, tools, place)
    return draft.turn("developer", place, thread=thread)


def read_tools(draft: Draft, tools: Any, place: str) -> None:
    """Read a list of tools. Raises as `tools_turn`."""
    if tools is None:
        return
    if not isinstance(tools, list):
        raise RequestInvalid(f"{place}: must be a list")
    for index, tool in enumerate(tools):
        _read_tool(draft, read_object(tool, f"{place}[{index}]"), f"{place}[{index}]")


def _read_tool(draft: Draft, tool: Mapping[str, Any], place: str) -> None:
    kind = tool.get("type")
    if not isinstance(kind, str | None):
        raise RequestInvalid(f"{place}.type: must be a string")
    own: tuple[str, ...] = ()
    if kind == "code_interpreter":
        own = ("container",)
        _read_container(draft, tool.get("container"), f"{place}.container")
    elif not _is_known(kind):
        draft.unjudged.append(SERVER_TOOL)
    is_of_the_caller = kind is None or kind in _OF_THE_CALLER
    for key, value in tool.items():
        if key in own:
            continue
        if key == "environment" and kind == "shell":
            _read_container(draft, value, f"{place}.environment")
        else:
            read_rest(draft, key, value, f"{place}.", may_name_content=is_of_the_caller)


def _is_known(kind: str | None) -> bool:
    return kind is None or kind in _OF_THE_CALLER or _HARMLESS.fullmatch(kind) is not None


def _read_container(draft: Draft, container: Any, place: str) -> None:
    """Read where code runs: a container of its own, perhaps with files, or one that is kept from earlier."""
    if isinstance(container, str):
        draft.unjudged.append(STORED)
        return
    if container is None:
        return
    for key, value in read_object(container, place).items():
        if key == "file_ids" and value:
            draft.unjudged.append(FILE_ID)
        elif key in ("container_id", "skills") and value:
            draft.unjudged.append(STORED)
        else:
            read_rest(draft, key, value, f"{place}.")

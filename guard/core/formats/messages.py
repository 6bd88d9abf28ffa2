"""Anthropic messages: bytes of a request, of one that counts its tokens, or of a batch of them, to a `Conversation`.

A message is a turn; results of tools in it are turns of their own, since it is not the user who speaks there. Each
request of a batch is a thread of its own.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from guard.core.conversation import Conversation, Path, Slot, Turn
from guard.core.document import read_document
from guard.core.formats.blocks import RESULTS, read_block, read_blocks
from guard.core.formats.finish import finish
from guard.core.formats.reading import (
    Draft,
    check_spelling,
    context_turns,
    read_fields,
    read_object,
    read_rest,
    read_role,
)
from guard.core.formats.tools import tools_turn
from guard.errors import RequestInvalid

# Which holds a JSON schema, in which a field may have any name.
_OPERATOR = frozenset({"output_config", "output_format"})
_READ_ALREADY = frozenset({"messages", "system", "tools"})


def parse_messages(body: bytes, *, max_images: int) -> Conversation:
    """Return the conversation in the body of a messages request.

    Raises:
        RequestInvalid: not JSON, ambiguous JSON, or not shaped like such a request; more than `max_images` pictures or
            than `MAX_TURNS` turns.
        UnknownPart: a block of a type that Guard does not know, or content where it does not belong.
    """
    document = read_document(body)
    slots: dict[str, Slot] = {}
    return finish(document, _turns(document, slots, (), 0), _context(document, (), 0), slots, max_images=max_images)


def parse_batch(body: bytes, *, max_images: int) -> Conversation:
    """Return all conversations of a batch of messages requests; limits hold for all of them together. Raises as above.

    Raises:
        RequestInvalid: as `parse_messages`, or not shaped like a batch.
        UnknownPart: as `parse_messages`.
    """
    document = read_document(body)
    check_spelling(document, "")
    requests = document.get("requests")
    if not isinstance(requests, list) or not requests:
        raise RequestInvalid("requests: must be a list with at least one request")
    slots: dict[str, Slot] = {}
    turns: list[Turn] = []
    context = list(context_turns(document, but=("requests",), operator=()))
    for index, request in enumerate(requests):
        place = f"requests[{index}]"
        params = read_object(read_object(request, place).get("params"), f"{place}.params")
        path: Path = ("requests", index, "params")
        turns += _turns(params, slots, path, index)
        context += _context(params, path, index)
        draft = Draft(slots)
        read_fields(draft, request, place, but=("params", "custom_id"))
        read_rest(draft, "id", request.get("custom_id"), f"{place}.")
        context.append(draft.turn("context", place, thread=index))
    return finish(document, turns, context, slots, max_images=max_images, field="requests")


def _turns(document: dict[str, Any], slots: dict[str, Slot], path: Path, thread: int) -> Iterator[Turn]:
    top = _place(path)
    check_spelling(document, top)
    if document.get("system") is not None:
        draft = Draft(slots)
        read_blocks(draft, document["system"], f"{top}system", (*path, "system"))
        yield draft.turn("system", f"{top}system", thread=thread)
    messages = document.get("messages")
    if not isinstance(messages, list) or not messages:
        raise RequestInvalid(f"{top}messages: must be a list with at least one message")
    for index, message in enumerate(messages):
        yield from _of_message(message, f"{top}messages[{index}]", slots, (*path, "messages", index), thread)


def _of_message(message: Any, place: str, slots: dict[str, Slot], path: Path, thread: int) -> Iterator[Turn]:
    message = read_object(message, place)
    role = read_role(message, place)
    content = message.get("content")
    draft = Draft(slots)
    if isinstance(content, list):
        for index, block in enumerate(content):
            at, where = f"{place}.content[{index}]", (*path, "content", index)
            if _is_result(block):
                result = Draft(slots)
                read_block(result, block, at, where)
                yield result.turn("tool", at, thread=thread)
            else:
                read_block(draft, block, at, where)
    else:
        read_blocks(draft, content, f"{place}.content", (*path, "content"))
    read_fields(draft, message, place, but=("role", "content"))
    yield draft.turn(role, place, thread=thread)


def _is_result(block: Any) -> bool:
    kind = block.get("type") if isinstance(block, dict) else None
    return isinstance(kind, str) and kind in RESULTS


def _context(document: dict[str, Any], path: Path, thread: int) -> Iterable[Turn]:
    top = _place(path)
    yield from context_turns(document, but=_READ_ALREADY, operator=_OPERATOR, place=top, thread=thread)
    yield tools_turn(document.get("tools"), f"{top}tools", thread=thread)


def _place(path: Path) -> str:
    return f"requests[{path[1]}].params." if path else ""

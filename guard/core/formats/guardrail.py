"""LiteLLM's generic guardrail contract: bytes of a request to a `Conversation`.

LiteLLM sends what it found twice: flat (`texts`, `images`, `tool_calls`, without who said what), and where it can as
`structured_messages`, OpenAI's form. Each may hold what the other misses (pictures of /v1/responses and files stand in
the messages alone), so the messages are judged, and of the flat form what is not among them. Flat texts have no roles:
all count as the user's, and every picture meets the last of them and what came before it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from guard.core.conversation import Conversation, Slot, Turn
from guard.core.document import read_document
from guard.core.formats.chat import read_messages
from guard.core.formats.finish import finish
from guard.core.formats.pictures import image_input
from guard.core.formats.reading import MAX_TURNS, Draft, check_spelling, read_rest, read_string
from guard.core.formats.tools import tools_turn
from guard.errors import ImageRejected, RequestInvalid, TextTooLong
from guard.types import Direction, ImageInput

# About the call, not of it: nothing of this reaches the model. What a caller of LiteLLM may add for its guardrails
# (`additional_provider_specific_params`) never changes what Guard decides.
_ABOUT = frozenset({
    "input_type", "litellm_call_id", "litellm_trace_id", "litellm_version", "request_data", "request_headers",
    "additional_provider_specific_params", "model",
})  # fmt: skip
_READ = frozenset({"texts", "images", "tools", "tool_calls", "structured_messages"})
# The flat form is a thread of its own beside the messages.
_FLAT, _STRUCTURED = 0, 1


@dataclass(frozen=True, slots=True)
class GuardrailRequest:
    """What LiteLLM asks about: a conversation whose document is the contract's, and whether a model wrote it."""

    conversation: Conversation
    direction: Direction


def parse_guardrail(body: bytes, *, max_images: int) -> GuardrailRequest:
    """Return what LiteLLM asks about.

    Raises:
        RequestInvalid: not JSON, ambiguous JSON, or not shaped like the contract.
        UnknownPart: a part of a type that Guard does not know, or content where it does not belong.
        ImageRejected: more than `max_images` pictures.
        TextTooLong: more messages, texts and calls than `MAX_TURNS`.
    """
    document = read_document(body)
    check_spelling(document, "")
    direction = _direction(document)
    slots: dict[str, Slot] = {}
    structured = _structured(document, slots)
    flat = _flat(document, structured, slots, speaker="user" if direction is Direction.INPUT else "assistant")
    turns, context = [*structured, *flat], list(_context(document))
    _check_amount(turns, max_images)
    conversation = finish(document, turns, context, slots, max_images=max_images)
    return GuardrailRequest(conversation, direction)


def direction_asked(body: bytes) -> Direction:
    """Return what LiteLLM asks about, where the rest of it has a part that Guard does not know, or too much in it.

    Raises:
        RequestInvalid: as `parse_guardrail`.
    """
    return _direction(read_document(body))


def _check_amount(turns: Sequence[Turn], max_images: int) -> None:
    """Raise what the policy decides about where there is too much. LiteLLM would take an error for a broken guardrail,
    in shadow mode too."""
    images = sum(len(turn.images) for turn in turns)
    if images > max_images:
        raise ImageRejected(f"{images} pictures, limit is {max_images}")
    if len(turns) > MAX_TURNS:
        raise TextTooLong(f"{len(turns):,} messages, texts and calls, limit is {MAX_TURNS:,}")


def _direction(document: Mapping[str, Any]) -> Direction:
    match document.get("input_type"):
        case "request":
            return Direction.INPUT
        case "response":
            return Direction.OUTPUT
    raise RequestInvalid('input_type: must be "request" or "response"')


def _structured(document: Mapping[str, Any], slots: dict[str, Slot]) -> list[Turn]:
    rows = document.get("structured_messages")
    if rows is None or rows == []:
        return []
    if not isinstance(rows, list):
        raise RequestInvalid("structured_messages: must be a list")
    return read_messages(rows, slots, field="structured_messages", thread=_STRUCTURED)


def _flat(
    document: Mapping[str, Any], structured: Sequence[Turn], slots: dict[str, Slot], *, speaker: str
) -> Iterator[Turn]:
    """Yield what stands in the flat fields and not in the messages."""
    said = {text for turn in structured for text in turn.texts}
    shown = {image.url or image.encoded for turn in structured for image in turn.images} - {None}
    rest = []
    for index, text in enumerate(_list(document, "texts")):
        draft = Draft(slots)
        draft.say(read_string(text, f"texts[{index}]"), f"texts[{index}]", ("texts", index))
        if not (said.issuperset(draft.texts) and shown.issuperset(image.encoded for image in draft.images)):
            rest.append((f"texts[{index}]", draft))
    last = rest.pop()[1] if rest else Draft(slots)
    for index, given in enumerate(_list(document, "images")):
        image = _image(read_string(given, f"images[{index}]"), f"images[{index}]")
        if (image.url or image.encoded) not in shown:
            last.images.append(image)
            slots[image.place] = Slot(("images", index))
    for place, draft in rest:
        yield draft.turn(speaker, place, thread=_FLAT)
    turn = last.turn(speaker, "texts", thread=_FLAT)
    if turn.texts or turn.images:
        yield turn
    for index, call in enumerate(_list(document, "tool_calls")):
        draft = Draft({})
        read_rest(draft, "tool_calls", call, f"tool_calls[{index}].", may_name_content=True)
        yield draft.turn("assistant", f"tool_calls[{index}]", thread=_FLAT)


def _image(given: str, place: str) -> ImageInput:
    """Return a picture that came as a URL, a data URL or, from some of LiteLLM's providers, as bare base64."""
    if ":" in given or not given:
        return image_input(given, place)
    return ImageInput(encoded=given, place=place)


def _context(document: Mapping[str, Any]) -> Iterator[Turn]:
    yield tools_turn(document.get("tools"), "tools")
    for key, value in document.items():
        if key not in _ABOUT | _READ:
            draft = Draft({})
            read_rest(draft, key, value, "")
            yield draft.turn("context", key)


def _list(document: Mapping[str, Any], key: str) -> list[Any]:
    value = document.get(key)
    if not isinstance(value, list | None):
        raise RequestInvalid(f"{key}: must be a list")
    return value or []

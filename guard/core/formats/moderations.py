"""OpenAI moderations: bytes of a request to the items to judge."""

from guard.core.conversation import Slot, Turn
from guard.core.document import read_document
from guard.core.formats.parts import read_content
from guard.core.formats.reading import Draft, check_spelling, read_string, said
from guard.errors import RequestInvalid


def parse_moderations(body: bytes, *, max_images: int, max_items: int) -> list[Turn]:
    """Return the items in the body of a moderations request: one for a text or for a list of parts, else one a text.

    Raises:
        RequestInvalid: not JSON, ambiguous JSON, or not shaped like such a request; a field beside `input` and `model`,
            which nobody would judge; more than `max_images` pictures or `max_items` texts.
        UnknownPart: a part of a type that Guard does not know, or content where it does not belong.
    """
    document = read_document(body)
    check_spelling(document, "")
    if document.keys() - {"input", "model"}:
        raise RequestInvalid('the body has a field other than "input" and "model"')
    if document.get("model") is not None:
        read_string(document["model"], "model")
    given = document.get("input")
    if isinstance(given, str):
        return [said("user", "input", given)]
    if not isinstance(given, list) or not given:
        raise RequestInvalid("input: must be a text, a list of texts, or a list of parts")
    if len(given) > max_items:
        raise RequestInvalid(f"input: {len(given):,} items, limit is {max_items:,}")
    if isinstance(given[0], str):
        texts = (read_string(text, f"input[{index}]") for index, text in enumerate(given))
        return [said("user", f"input[{index}]", text) for index, text in enumerate(texts)]
    if any(isinstance(part, str) for part in given):
        raise RequestInvalid("input: must be a text, a list of texts, or a list of parts")
    slots: dict[str, Slot] = {}
    draft = Draft(slots)
    read_content(draft, given, "input", ("input",))
    if len(draft.images) > max_images:
        raise RequestInvalid(f"input: {len(draft.images)} pictures, limit is {max_images}")
    return [draft.turn("user", "input")]

"""OpenAI completions: bytes of a request to a `Conversation`.

Each prompt is answered by itself, so each is a thread of its own; what stands behind the gap to fill belongs to it. A
prompt of tokens says nothing to who does not know the model's tokenizer: it is named as unjudged.
"""

from collections.abc import Iterator
from typing import Any

from guard.core.conversation import Conversation, Path, Slot, Turn
from guard.core.document import Number, read_document
from guard.core.formats.finish import finish
from guard.core.formats.reading import Draft, check_spelling, context_turns, read_string
from guard.errors import RequestInvalid

TOKENS = "token_part"
_OPERATOR = frozenset({"response_format"})


def parse_completions(body: bytes, *, max_images: int) -> Conversation:
    """Return the conversation in the body of a completions request, which shows pictures in its texts alone.

    Raises:
        RequestInvalid: not JSON, ambiguous JSON, or not shaped like such a request; more than `MAX_TURNS` prompts.
        UnknownPart: content where it does not belong.
    """
    document = read_document(body)
    check_spelling(document, "")
    slots: dict[str, Slot] = {}
    turns = list(_turns(document.get("prompt"), document.get("suffix"), slots))
    context = context_turns(document, but=("prompt", "suffix"), operator=_OPERATOR)
    return finish(document, turns, context, slots, max_images=max_images, field="prompt")


def count_prompts(prompt: Any) -> int:
    """Return how many prompts the field holds: each is answered."""
    return len(prompt) if isinstance(prompt, list) and prompt and not _is_token(prompt[0]) else 1


def _turns(prompt: Any, suffix: Any, slots: dict[str, Slot]) -> Iterator[Turn]:
    if not isinstance(prompt, list) or not prompt or _is_token(prompt[0]):
        yield _turn(None if prompt == [] else prompt, "prompt", ("prompt",), suffix, slots)
        return
    for index, one in enumerate(prompt):
        yield _turn(one, f"prompt[{index}]", ("prompt", index), suffix, slots, thread=index)


def _turn(prompt: Any, place: str, path: Path, suffix: Any, slots: dict[str, Slot], *, thread: int = 0) -> Turn:
    draft = Draft(slots)
    if isinstance(prompt, list):
        _check_tokens(prompt, place)
        draft.unjudged.append(TOKENS)
    elif prompt is not None:
        draft.say(read_string(prompt, place), place, path)
    if suffix is not None:
        draft.say(read_string(suffix, "suffix"), "suffix", ("suffix",))
    return draft.turn("user", place, thread=thread)


def _check_tokens(tokens: list[Any], place: str) -> None:
    if not all(map(_is_token, tokens)):
        raise RequestInvalid(f"{place}: must be a text, tokens, or a list of these")


def _is_token(value: Any) -> bool:
    return isinstance(value, int | Number) and not isinstance(value, bool)

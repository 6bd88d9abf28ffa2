"""OpenAI completions: bytes of a request to a `Conversation`.

Each prompt is answered by itself, so each is a thread of its own; what stands behind the gap to fill belongs to it. A
prompt of tokens says nothing to who does not know the model's tokenizer: it is named as unjudged.
"""

from collections.abc import Iterator
from typing import Any

from guard.core.conversation import Conversation, Turn
from guard.core.document import Number, read_document
from guard.core.formats.finish import finish
from guard.core.formats.reading import check_spelling, context_turns, read_string
from guard.errors import RequestInvalid

TOKENS = "token_part"
_OPERATOR = frozenset({"response_format"})


def parse_completions(body: bytes, *, max_images: int) -> Conversation:
    """Return the conversation in the body of a completions request, which shows no pictures.

    Raises:
        RequestInvalid: not JSON, ambiguous JSON, or not shaped like such a request; more than `MAX_TURNS` prompts.
        UnknownPart: content where it does not belong.
    """
    document = read_document(body)
    check_spelling(document, "")
    turns = list(_turns(document.get("prompt"), document.get("suffix")))
    context = context_turns(document, but=("prompt", "suffix"), operator=_OPERATOR)
    return finish(document, turns, context, {}, max_images=max_images, field="prompt")


def count_prompts(prompt: Any) -> int:
    """Return how many prompts the field holds: each is answered."""
    return len(prompt) if isinstance(prompt, list) and prompt and not _is_token(prompt[0]) else 1


def _turns(prompt: Any, suffix: Any) -> Iterator[Turn]:
    after = () if suffix is None else (read_string(suffix, "suffix"),)
    if not isinstance(prompt, list):
        before = () if prompt is None else (read_string(prompt, "prompt"),)
        yield Turn("user", "prompt", (*before, *after))
    elif prompt and _is_token(prompt[0]):
        _check_tokens(prompt, "prompt")
        yield Turn("user", "prompt", after, unjudged=(TOKENS,))
    else:
        for index, one in enumerate(prompt):
            place = f"prompt[{index}]"
            if isinstance(one, list):
                _check_tokens(one, place)
                yield Turn("user", place, after, unjudged=(TOKENS,), thread=index)
            else:
                yield Turn("user", place, (read_string(one, place), *after), thread=index)
        if not prompt:
            yield Turn("user", "prompt", after)


def _check_tokens(tokens: list[Any], place: str) -> None:
    if not all(map(_is_token, tokens)):
        raise RequestInvalid(f"{place}: must be a text, tokens, or a list of these")


def _is_token(value: Any) -> bool:
    return isinstance(value, int | Number) and not isinstance(value, bool)

"""Control words of a tokenizer in content that is judged: whoever wrote it must not end a turn, or begin the model's.

`<image>`, `</s>`, `<|im_start|>` and their like are one token each wherever they stand. In content they are broken up
by a space of no width behind their first letter, so that they are read as the letters that they are.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from guard.errors import ContentUnjudged

_BREAK = "\u200b"


def as_letters(text: str, tokenizers: Sequence[Any]) -> str:
    """Return a text without control words of these tokenizers.

    Raises:
        ContentUnjudged: one is still in it, since a tokenizer reads other letters as it, too.
    """
    for tokenizer in tokenizers:
        text = _words(tokenizer).sub(lambda found: found[0][0] + _BREAK + found[0][1:], text)
    for tokenizer in tokenizers:
        if _special(tokenizer) & set(tokenizer(text, add_special_tokens=False)["input_ids"]):
            raise ContentUnjudged("the text holds a control word of the model")
    return text


@lru_cache(maxsize=8)
def _words(tokenizer: Any) -> re.Pattern[str]:
    added = {str(token.content) for token in tokenizer.added_tokens_decoder.values()} | set(
        tokenizer.all_special_tokens
    )
    # Runs of spaces and signs of one letter end nothing.
    words = sorted((word for word in added if len(word.strip()) > 1), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, words)) or r"(?!)", re.IGNORECASE)


@lru_cache(maxsize=8)
def _special(tokenizer: Any) -> frozenset[int]:
    """Return the numbers of tokens that end turns and stand for pictures, not that of what is unknown."""
    added = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    return frozenset((added | set(tokenizer.all_special_ids)) - {tokenizer.unk_token_id})

"""When two texts are one request: the same letters in the same order, whatever is around and between them."""

import unicodedata

from guard.core.text import normalise

_KEPT = "LNMS"  # letters, numbers, their marks, and symbols: + and emoji say something; blanks and punctuation do not


def wording(text: str) -> str:
    """Return what is left of a text without case, blanks, punctuation and disguises; of others its characters.

    Two texts with one wording are one request asked twice: a guard that is wrong about one is wrong about both.
    """
    folded = normalise(text).casefold()
    kept = "".join(character for character in folded if unicodedata.category(character)[0] in _KEPT)
    return kept or text.strip()

"""Words with something between their letters that is none: emoji, hearts, arrows, circles, a letter of another script.

A person reads them at a glance. A tokenizer tears them, or knows the sign not at all and drops the word around it.
"""

import re
import unicodedata

from guard.core.encodings import Piece
from guard.core.english import WORDS, Glance

_TOKEN = re.compile(r"\S+")
_LETTERS = re.compile("[A-Za-z]+")
# What stands in ordinary words, or is undone elsewhere (`guard.core.spellings`, `guard.core.spread`).
_USUAL = frozenset("'’`´.,;:()-_/\\0123456789@$!|+*")
# A word of four letters is evidence enough, and three shorter ones are.
_LONG = 4
_ENOUGH = 3


def ornaments_dropped(glance: Glance) -> list[Piece]:
    """Return the words of a text that are listed ones but for what stands between their letters, in order."""
    torn = {token: bare for token in set(glance.tokens) if (bare := _without_ornaments(token))}
    if len(torn) < _ENOUGH and not any(len(bare) >= _LONG for bare in torn.values()):
        return []
    found = (match for match in _TOKEN.finditer(glance.text) if match[0] in torn)
    return [Piece(match.start(), match.end(), torn[match[0]]) for match in found]


def _without_ornaments(token: str) -> str:
    """Return the listed word that the letters of a token make, "" where they make none or are words as they stand."""
    if token.isalnum() and token.isascii():
        return ""
    runs = _LETTERS.findall(token)
    bare = "".join(runs)
    if len(runs) < 2 or bare.lower() not in WORDS or all(run.lower() in WORDS for run in runs):
        return ""
    between = set(token[token.index(runs[0]) : token.rindex(runs[-1])]) - set(bare)
    return "" if between <= _USUAL or any(map(_is_latin, between)) else bare


def _is_latin(character: str) -> bool:
    """Whether a character is a letter of Latin script, as words of other languages have them: "coût" is not "cot"."""
    return unicodedata.name(character, "").startswith("LATIN")

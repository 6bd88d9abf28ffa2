"""Words with signs between them that say nothing: bars, rows of dashes or dots, blanks of HTML.

A person reads over them as over a wide gap. To the guard they are words of their own, which push those of a sentence
apart until no window holds two of them.
"""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from guard.core.encodings import Piece
from guard.core.english import WORDS, Glance, is_language

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_ENTITY = re.compile(r"&(?:amp;)?(?:nbsp|ensp|emsp|thinsp|shy|zwnj|zwj|#160|#xA0|#xa0|#8203);|<[bh]r ?/?>")
_SIGN = r"[^\w\s]|_"
# Signs that stand alone, three and more in a row, or one with a wide gap behind.
_FILLED = re.compile(rf"(?<=\s)(?:{_SIGN})+(?=\s|\Z)|(?:{_SIGN})(?:(?:{_SIGN}){{2}}|\s{{4}})")
# Of gaps between words in a row: so many of them filled, and more than a third. Lists, tables of sentences, and dashes
# in prose have fewer.
_LEAST_FILLED = 4
_WON, _LOST = 2, 1
# Of the letters of English, half and more stand in listed words of three letters at least; of code and formulas, fewer.
_LEAST_LISTED = 0.5
_SHORT = 3
# In other languages the same filler, nearly always, between so many words.
_LEAST_GAPS = 8
_LEAST_ALIKE = 0.8


def fillers_dropped(glance: Glance) -> list[Piece]:
    """Return the stretches of a text in which signs fill the gaps between words, with blanks in their places."""
    text = glance.text
    if "&" in text or "<" in text:
        text = _ENTITY.sub(lambda found: "|" * len(found[0]), text)
    if len(_FILLED.findall(text)) < _LEAST_FILLED:
        return []
    words = list(_WORD.finditer(text))
    between = [text[before.end() : after.start()] for before, after in pairwise(words)]
    gaps = [_FILLED.search(gap) is not None for gap in between]
    return [
        _joined(text, words[first : last + 2], gaps[first : last + 1])
        for first, last in _stretches(gaps)
        if _is_sentence([word[0] for word in words[first : last + 2]], between[first : last + 1])
    ]


def _is_sentence(words: Sequence[str], gaps: Sequence[str]) -> bool:
    """Return whether words are likely to be one sentence rather than code, formulas or a list."""
    letters = sum(map(len, words))
    listed = sum(len(word) for word in words if len(word) >= _SHORT and word.lower() in WORDS)
    if listed >= _LEAST_LISTED * letters:
        return True
    alike = Counter(map(str.strip, gaps)).most_common(1)[0][1]
    return len(gaps) >= _LEAST_GAPS and alike >= _LEAST_ALIKE * len(gaps) and is_language(" ".join(words))


def _stretches(gaps: list[bool]) -> list[tuple[int, int]]:
    """Return the first and last gap of each stretch in which enough of them are filled, in order and apart."""
    found = []
    best = total = first = start = last = filled = count = 0
    for place, is_filled in enumerate([*gaps, *[False] * (2 * len(gaps) + 1)]):
        if total <= 0 and (best or is_filled or place >= len(gaps)):
            if filled >= _LEAST_FILLED:
                found.append((first, last))
            if place >= len(gaps):
                break
            best = total = filled = count = 0
            start = place
        total += _WON if is_filled else -_LOST
        count += is_filled
        if total > best:
            best, first, last, filled = total, start, place, count
    return found


def _joined(text: str, words: list[re.Match[str]], gaps: list[bool]) -> Piece:
    parts = [words[0][0]]
    for before, after, is_filled in zip(words, words[1:], gaps, strict=False):
        parts += [" " if is_filled else text[before.end() : after.start()], after[0]]
    return Piece(words[0].start(), words[-1].end(), "".join(parts))

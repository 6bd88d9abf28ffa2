"""Text whose letters are moved along the alphabet (rot13, Caesar), or that runs backwards.

A stretch of a text is read so where that turns what are no words of a closed list (`guard.core.english`) into words.
"""

import re
from collections import Counter
from collections.abc import Callable
from string import ascii_lowercase, ascii_uppercase

from guard.core.encodings import Piece
from guard.core.english import WORDS, Glance

_WORD = re.compile(r"[A-Za-z]+")
_SHIFTS = [
    str.maketrans(
        ascii_lowercase + ascii_uppercase,
        "".join(letters[by:] + letters[:by] for letters in (ascii_lowercase, ascii_uppercase)),
    )
    for by in range(26)
]
_ROT13 = 13
# Letters that have to turn into words: by one of 25 other shifts they do so more often by accident.
_LEAST_LETTERS = 6
_LEAST_SHIFTED_LETTERS = 9
_SHORT = 3
# How many words without a word on their other side a stretch takes along at each end: names and rare words.
_MOST_RARE = 3


def _form(word: str) -> str:
    """Return the shift of a word that begins with "a": all shifts of a word have the same one."""
    return word.translate(_SHIFTS[(ord("a") - ord(word[0])) % 26])


def _by_form() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for word in sorted(WORDS):
        if len(word) > 2:
            found.setdefault(_form(word), []).append(word)
    return found


_BY_FORM = _by_form()
_MIRRORED = frozenset(word[::-1] for word in WORDS if len(word) > 2)


def shifted(glance: Glance) -> list[Piece]:
    """Return the stretch of a text whose letters, all moved by the same number of places, are words; none or one."""
    text = glance.text
    letters: Counter[int] = Counter()
    for word in glance.strange:
        for listed in _BY_FORM.get(_form(word), ()) if len(word) > 2 else ():
            letters[(ord(listed[0]) - ord(word[0])) % 26] += len(word)
    for by, count in letters.most_common(2):
        least = _LEAST_LETTERS if by == _ROT13 else _LEAST_SHIFTED_LETTERS
        table = _SHIFTS[by]
        if count >= least and (span := _stretch(text, lambda word: word.translate(table), least)):  # noqa: B023
            return [Piece(*span, text[slice(*span)].translate(table))]
    return []


def backwards(glance: Glance) -> list[Piece]:
    """Return the stretch of a text that reads from its end to its beginning; none or one."""
    text, span = glance.text, _mirrored_stretch(glance)
    return [Piece(*span, text[slice(*span)][::-1])] if span else []


def words_backwards(glance: Glance) -> list[Piece]:
    """Return the stretch of a text in which each word reads from its end to its beginning; none or one."""
    text, span = glance.text, _mirrored_stretch(glance)
    return [Piece(*span, _WORD.sub(lambda word: word[0][::-1], text[slice(*span)]))] if span else []


def _mirrored_stretch(glance: Glance) -> tuple[int, int] | None:
    mirrored = [len(word) for word in glance.strange & _MIRRORED]
    # Short words of other languages are English ones backwards: "das", "der", "dos".
    if sum(mirrored) < _LEAST_LETTERS or max(mirrored) == _SHORT:
        return None
    return _stretch(glance.text, lambda word: word[::-1], _LEAST_LETTERS)


def _stretch(text: str, read: Callable[[str], str], least: int) -> tuple[int, int] | None:
    """Return where in `text` reading so wins most letters in words over those that it loses; None below `least`.

    Letters that are in no word either way count half against it.
    """
    words = list(_WORD.finditer(text))
    best = total = 0.0
    start = first = last = 0
    for place, word in enumerate(words):
        lowered = word[0].lower()
        was, becomes = lowered in WORDS, read(lowered) in WORDS
        gain = len(lowered) * (becomes - was) if becomes or was else -len(lowered) / 2
        if total <= 0:
            total, start = 0.0, place
        total += gain
        if total > best:
            best, first, last = total, start, place
    if best < least:
        return None
    for _ in range(_MOST_RARE):
        first -= first > 0 and _is_open(words[first - 1][0].lower(), read)
        last += last + 1 < len(words) and _is_open(words[last + 1][0].lower(), read)
    return words[first].start(), words[last].end()


def _is_open(word: str, read: Callable[[str], str]) -> bool:
    """Whether a word is not one that reading so would spoil."""
    return word not in WORDS or read(word) in WORDS

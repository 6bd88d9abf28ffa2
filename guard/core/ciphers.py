"""Text whose letters are moved along the alphabet (rot13, Caesar), or that runs backwards.

A stretch of a text is read so where that turns what are no words of a closed list (`guard.core.english`) into words.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
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
_MOST_LOST = 12  # letters of words, in a row
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


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Words `first` to `last` of a text, read in one way, and how many letters in listed words that wins."""

    first: int
    last: int
    won: float
    read: Callable[[str], str]


def shifted(glance: Glance) -> list[Piece]:
    """Return the stretches of a text whose letters, moved by the same number of places each, are words, in order."""
    letters: Counter[int] = Counter()
    for word in glance.strange:
        for listed in _BY_FORM.get(_form(word), ()) if len(word) > 2 else ():
            letters[(ord(listed[0]) - ord(word[0])) % 26] += len(word)
    found: list[_Stretch] = []
    words = [word.lower() for word in _WORD.findall(glance.text)] if letters else []
    for by, count in letters.items():
        least = _LEAST_LETTERS if by == _ROT13 else _LEAST_SHIFTED_LETTERS
        if count >= least:
            found += _stretches(words, partial(_moved, by), least)
    # Where two shifts meet, the one that makes more words is right.
    apart: list[_Stretch] = []
    for stretch in sorted(found, key=lambda stretch: stretch.first):
        if not apart or stretch.first > apart[-1].last:
            apart.append(stretch)
        elif stretch.won > apart[-1].won:
            apart[-1] = stretch
    return _pieces(glance.text, apart)


def backwards(glance: Glance) -> list[Piece]:
    """Return the stretches of a text that read from their end to their beginning, in order."""
    return [Piece(piece.start, piece.end, glance.text[piece.start : piece.end][::-1]) for piece in _mirrored(glance)]


def words_backwards(glance: Glance) -> list[Piece]:
    """Return the stretches of a text in which each word reads from its end to its beginning, in order."""
    return _mirrored(glance)


def _mirrored(glance: Glance) -> list[Piece]:
    """Return the stretches of mirrored words, each word turned where it stands."""
    mirrored = [len(word) for word in glance.strange & _MIRRORED]
    # Short words of other languages are English ones backwards: "das", "der", "dos".
    if sum(mirrored) < _LEAST_LETTERS or max(mirrored) == _SHORT:
        return []
    words = [word.lower() for word in _WORD.findall(glance.text)]
    return _pieces(glance.text, _stretches(words, _turned, _LEAST_LETTERS))


def _moved(by: int, word: str) -> str:
    return word.translate(_SHIFTS[by])


def _turned(word: str) -> str:
    return word[::-1]


def _stretches(words: Sequence[str], read: Callable[[str], str], least: int) -> list[_Stretch]:
    """Return where reading each word so wins letters in listed words, `least` and more, in order and apart.

    Letters that are in no word either way count half against it. Where several words would be lost, a stretch ends:
    what stands plainly between two disguised texts is not to be spoilt.
    """
    wins = {word: _won(word, read(word)) for word in set(words)}
    found = []
    best = total = 0.0
    start = first = last = lost = 0
    for place, word in enumerate(words):
        if total <= 0 or lost > _MOST_LOST:
            if best >= least:
                found.append(_Stretch(first, last, best, read))
            best = total = 0.0
            start, lost = place, 0
        total += wins[word]
        lost += len(word) if wins[word] == -len(word) else 0
        if total > best:
            best, first, last, lost = total, start, place, 0
    if best >= least:
        found.append(_Stretch(first, last, best, read))
    return found


def _won(word: str, becomes: str) -> float:
    if word not in WORDS and becomes not in WORDS:
        return -len(word) / 2
    return len(word) * ((becomes in WORDS) - (word in WORDS))


def _pieces(text: str, stretches: Sequence[_Stretch]) -> list[Piece]:
    """Return what stretches say, each with a few words on either side that are rare, in order and apart."""
    words = list(_WORD.finditer(text)) if stretches else []
    begins = [*(stretch.first for stretch in stretches), len(words)]
    pieces = []
    taken = -1
    for stretch, behind in zip(stretches, begins[1:], strict=True):
        first, last = stretch.first, stretch.last
        for _ in range(_MOST_RARE):
            first -= first - 1 > taken and _is_open(words[first - 1][0].lower(), stretch.read)
            last += last + 1 < behind and _is_open(words[last + 1][0].lower(), stretch.read)
        taken = last
        start, end = words[first].start(), words[last].end()
        pieces.append(Piece(start, end, _WORD.sub(partial(_read, stretch.read), text[start:end])))
    return pieces


def _read(read: Callable[[str], str], word: re.Match[str]) -> str:
    return read(word[0])


def _is_open(word: str, read: Callable[[str], str]) -> bool:
    """Whether a word is not one that reading so would spoil."""
    return word not in WORDS or read(word) in WORDS

"""What a model may read in base64 of a picture: text among the bytes, and words among the symbols as they stand."""

from collections.abc import Iterator
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from guard.core.encodings import printable
from guard.core.english import WORDS, is_language

# Runs of printable bytes that are no accident.
_LEAST_BYTES: Final = 14
# A window of 64 random symbols holds none or one of the groups of four letters that listed words are made of (three
# once in five hundred times), and five of those of three letters (14 once in ten thousand times); a sentence, dozens.
_WINDOW: Final = 64
_LEAST_OF_FOUR: Final = 3
_LEAST_OF_THREE: Final = 14
_MARGIN: Final = 16  # symbols of a word that a window cuts


def text_in_bytes(data: bytes) -> str:
    """Return the language that stands readable among bytes, in ASCII or UTF-8; "" where there is none."""
    signs = np.frombuffer(data, np.uint8)
    follows = (signs & 0xC0) == 0x80
    leads = (signs >= 0xC2) & (signs <= 0xF4)
    is_text = ((signs >= 0x20) & (signs < 0x7F)) | (signs == 0x09) | (signs == 0x0A) | (signs == 0x0D)
    # What of bytes beyond ASCII can be UTF-8, in a rough way: `printable` looks closer.
    is_text[:-1] |= leads[:-1] & follows[1:]
    is_text[1:] |= follows[1:] & (leads | follows)[:-1]
    spans = (data[start:end] for start, end in _stretches(is_text) if end - start >= _LEAST_BYTES)
    return " ".join(filter(is_language, map(printable, spans)))


def words_in_base64(run: str) -> str:
    """Return the stretches of a run of ASCII that hold words as they stand, one a line; "" where there are none."""
    signs = np.frombuffer(run.encode("ascii"), np.uint8) | 0x20
    signs = np.pad(signs, (0, -len(signs) % _WINDOW + 3))
    is_letter = (signs >= ord("a")) & (signs <= ord("z"))
    letters = np.where(is_letter, signs - ord("a"), 0).astype(np.int32)
    size = len(signs) - 3
    threes = (letters[:size] * 26 + letters[1 : size + 1]) * 26 + letters[2 : size + 2]
    is_three = is_letter[:size] & is_letter[1 : size + 1] & is_letter[2 : size + 2]
    is_four = is_three & is_letter[3:]
    of_three = is_three & _groups(3)[threes]
    of_four = is_four & _groups(4)[threes * 26 + letters[3:]]
    may_be_words = _per_window(of_three) >= _LEAST_OF_THREE
    may_be_words |= _per_window(of_four) >= _LEAST_OF_FOUR
    stretches = ((start * _WINDOW, end * _WINDOW) for start, end in _stretches(may_be_words))
    return "\n".join(run[max(0, start - _MARGIN) : end + _MARGIN] for start, end in stretches)


def _per_window(hits: NDArray[np.bool_]) -> NDArray[np.int64]:
    counts: NDArray[np.int64] = np.count_nonzero(hits.reshape(-1, _WINDOW), axis=1)
    return counts


@cache
def _groups(size: int) -> NDArray[np.bool_]:
    """Return which groups of so many letters stand in listed words, by their codes."""
    listed = np.zeros(26**size, bool)
    for group in {word[at : at + size] for word in WORDS for at in range(len(word) - size + 1)}:
        code = 0
        for letter in group:
            code = 26 * code + ord(letter) - ord("a")
        listed[code] = True
    return listed


def _stretches(marked: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Yield where stretches of marked places begin and end."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], marked, [False])))).tolist()
    yield from zip(edges[::2], edges[1::2], strict=True)

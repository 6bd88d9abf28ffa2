"""Numbers of a JSON value that are the codes of characters: a model reads them as it reads the text that they spell."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from guard.core.document import Number
from guard.core.encodings import printable
from guard.core.english import is_language

# In texts, as many are opened (`guard.core.encodings`).
_LEAST_CODES = 4
_MOST_DIGITS = 3
_LEAST_CODE, _MOST_CODE = 10, 255
# Ones and zeros of this length are bits rather than decimal; a blank has six of them.
_LEAST_BINARY, _MOST_BINARY = 100_000, 11_111_111
# Of short lists of random numbers, 4 in 1,000 spell a word of three letters among signs: not language, in data.
_LEAST_LETTERS = 0.8
_LETTER_OR_BLANK = re.compile(r"[^\W\d_]|[ \n]")
_CONTROLS = bytes((*range(32), 127))
_SIGNS = bytes(code for code in range(1, 128) if not chr(code).isalpha() and code != 32)
_NOT_ASCII = bytes(code for code in range(256) if not 32 <= code < 127)
_OCTAL = {code: int(str(code), 8) for code in range(_LEAST_CODE, 178) if not {"8", "9"} & set(str(code))}


class Codes:
    """The numbers met in a JSON value, in order: those of each list and object, and apart those written as strings.

    They take linear time, whatever they are for: coordinates, pixels and vectors spell nothing.
    """

    __slots__ = ("_closed", "_open")

    def __init__(self) -> None:
        self._open: list[tuple[list[int], list[int]]] = []
        self._closed: list[tuple[list[int], list[int]]] = []

    def enter(self) -> None:
        """Begin a list or object."""
        self._open.append(([], []))

    def leave(self) -> None:
        """End the one begun last."""
        runs = self._open.pop()
        if runs[0] or runs[1]:
            self._closed.append(runs)

    def add(self, value: Any) -> None:
        """Take a value of the list or object begun last; what is no number, or none of a code, is passed over."""
        if type(value) is int:  # by far the most; a bool is none
            number, is_written = value, False
        elif isinstance(value, str):
            if not (len(value) <= _MOST_DIGITS and value.isascii() and value.isdigit()):
                return
            number, is_written = int(value), True
        elif isinstance(value, Number | float):
            fraction = float(value.written if isinstance(value, Number) else value)
            if not fraction.is_integer():
                return
            number, is_written = int(fraction), False
        else:
            return
        if _LEAST_BINARY <= number <= _MOST_BINARY and set(str(number)) <= {"0", "1"}:
            number = int(str(number), 2)
        if _LEAST_CODE <= number <= _MOST_CODE:
            self._open[-1][is_written].append(number)

    def texts(self) -> Iterator[str]:
        """Yield what the numbers of each list and object spell, then what all of them spell together."""
        for is_written in (False, True):
            runs = [both[is_written] for both in self._closed if both[is_written]]
            alone = [text for text in map(_spelled, runs) if text]
            yield from alone
            together = _spelled([code for run in runs for code in run])
            if together and together not in alone:
                yield together


def _spelled(run: Sequence[int]) -> str:
    """Return the language that codes spell, in decimal or octal, as they stand or without those of no letter; or ""."""
    if len(run) < _LEAST_CODES:
        return ""
    for codes in (bytes(run), bytes(_OCTAL[code] for code in run if code in _OCTAL)):
        # Cheap, and enough for nearly all numbers that are no text.
        if not _has_letters(len(codes.translate(None, _SIGNS)), len(codes.translate(None, _CONTROLS))):
            continue
        ascii_alone = codes.translate(None, _NOT_ASCII).decode("ascii")
        for text in dict.fromkeys((printable(codes), ascii_alone)):
            if _has_letters(len(_LETTER_OR_BLANK.findall(text)), len(text)) and is_language(text):
                return text
    return ""


def _has_letters(letters: int, characters: int) -> bool:
    return letters >= max(_LEAST_CODES, _LEAST_LETTERS * characters)

"""Texts with their rows of marks cut short: dashes, bars, dots and brackets push words apart as blanks do.

A window of an answer holds a few hundred characters. A row of marks longer than any that a sentence needs counts as its
beginning, and as one blank where there is one in the rest: what stands between the words still tells them apart.
"""

import re
from typing import Final

# Emphasis, code and the ends of nested brackets have fewer in a row.
MOST_MARKS = 12

_BLANKS: Final = re.compile(r"\s")
# Marks of ASCII, general and CJK punctuation, arrows, lines, boxes and shapes. Signs that hide something are left to
# the blanks' rule and to what finds them unreadable.
_SOME: Final = (
    r"\s!-/:-@\[-`{-~\xa1-\xa9\xab-\xb1\xb4\xb6-\xb8\xbb\xbf\xd7\xf7\u200b-\u200d\u2010-\u2027\u2030-\u205e\u2190-\u23ff"
    r"\u2500-\u25ff\u2800\u3001-\u3004\u3008-\u3020\u3030\u30fb\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"
)
_ROW: Final = re.compile(rf"\A[{_SOME}]+|[{_SOME}]{{{MOST_MARKS + 1},}}|[{_SOME}]+\Z")


class Rows:
    """Cuts short the rows of marks of one text that comes in pieces: how it was cut makes no difference."""

    def __init__(self) -> None:
        self._room = MOST_MARKS  # what the row at the end may still hold
        self._has_blank = False  # one that stands for all that was dropped

    def add(self, piece: str) -> str:
        """Return what of the next piece counts."""
        parts: list[str] = []
        end = 0
        for row in _ROW.finditer(piece):
            self._end_row(piece[end : row.start()])
            parts += (piece[end : row.start()], self._shorten(row[0]))
            end = row.end()
        self._end_row(piece[end:])
        return "".join((*parts, piece[end:]))

    def _end_row(self, text: str) -> None:
        if text:
            self._room, self._has_blank = MOST_MARKS, False

    def _shorten(self, row: str) -> str:
        kept, rest = row[: self._room], row[self._room :]
        self._room -= len(kept)
        blank = None if self._has_blank else _BLANKS.search(rest)
        if blank is None:
            return kept
        self._has_blank = True
        return kept + blank[0]

"""Texts with their runs of blanks and of signs that nobody sees cut short, so that these push no words apart.

A person reads over a hundred newlines as over one, and so does the guard's tokenizer: windows that counted all of them
would hold one word each. Only what is judged is cut short; what is shown stays as it came.
"""

import re
from collections.abc import Iterator
from typing import Final

from guard.answers.marks import Rows

# Of a run: two blanks, since wider gaps tell words of spread letters apart, and one sign that is not seen.
_MOST_BLANKS = 2
_MOST_HIDDEN = 1
# Where a text begins with what is not seen: enough to find it unreadable (`guard.core.text.is_readable`).
_MOST_HIDDEN_FIRST = 3

_BLANKS = "\t\n\r \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u2800\u3000\U000e0020"
_SELECTORS = "\ufe00-\ufe0f\U000e0100-\U000e01ef"
# Controls, formats and fillers, which normalising drops; of tags only those that spell nothing.
_HIDDEN = (
    "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5"
    "\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\U000110bd\U000110cd"
    f"\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001\U000e007f{_SELECTORS}"
)
_SOME_BLANK: Final = re.compile(f"[{_BLANKS}]")
_SELECTOR: Final = re.compile(f"[{_SELECTORS}]")
_SOME: Final = re.compile(f"[{_BLANKS}{_HIDDEN}]")
# Those that can be too long: a single blank inside of a piece is not.
_RUN: Final = re.compile(r"\A[{0}]+|[{0}]{{2,}}|[{0}]+\Z".format(_BLANKS + _HIDDEN))
_CONTROL_BLANK: Final = re.compile("[\x0b\x0c\x1c-\x1f\x85]")  # blanks to Python, dropped by normalising
_JSON_UNIT: Final = re.compile(r"\\u([0-9a-fA-F]{4})|\\.|[^\\]|\\", re.DOTALL)
_UNFINISHED: Final = re.compile(r"(?:[^\\]|\\u[0-9a-fA-F]{4}|\\[^u]|\\u(?![0-9a-fA-F]{0,3}\Z))*", re.DOTALL)
_CONTROLS: Final = {"\\n": "\n", "\\r": "\r", "\\t": "\t", "\\b": "\b", "\\f": "\f"}


class Squeeze:
    """Cuts short the runs of one text that comes in pieces, and its rows of marks: how it was cut makes no difference.

    Args:
        is_json: the text is JSON, whose marks mean something, and in which blanks may be written as escapes. An escape
            that a piece cuts counts to the next one.
    """

    def __init__(self, *, is_json: bool = False) -> None:
        self._is_json = is_json
        self._rest = ""  # of an escape that was cut
        self._blanks = _MOST_BLANKS  # what the run at the end may still hold
        self._hidden = _MOST_HIDDEN_FIRST
        self._last = ""
        self._rows = Rows()

    def add(self, piece: str) -> str:
        """Return what of the next piece counts."""
        counts = self._without_blanks(piece)
        return counts if self._is_json else self._rows.add(counts)

    def _without_blanks(self, piece: str) -> str:
        if self._is_json and (self._rest or "\\" in piece):
            return self._add_json(self._rest + piece)
        parts: list[str] = []
        end = 0
        for run in _RUN.finditer(piece):
            self._end_run(piece[end : run.start()])
            parts += (piece[end : run.start()], self._shorten(run[0]))
            end = run.end()
        self._end_run(piece[end:])
        return "".join((*parts, piece[end:]))

    def _end_run(self, text: str) -> None:
        if text:
            self._blanks, self._hidden, self._last = _MOST_BLANKS, _MOST_HIDDEN, text[-1]

    def _shorten(self, run: str) -> str:
        if run.isspace() and not _CONTROL_BLANK.search(run):
            kept = run[: self._blanks]
            self._blanks -= len(kept)
            self._last = run[-1]
            return kept
        return "".join(sign for sign in run if self._counts(sign))

    def _counts(self, sign: str) -> bool:
        """Whether a sign of a run still counts."""
        before, self._last = self._last, sign
        if _SOME_BLANK.match(sign):
            has_room = self._blanks > 0
            self._blanks -= has_room
            return has_room
        # A selector behind another one selects nothing: it hides something, for which the text is found unreadable.
        if _SELECTOR.match(sign) and before and _SELECTOR.match(before):
            return True
        has_room = self._hidden > 0
        self._hidden -= has_room
        return has_room

    def _add_json(self, text: str) -> str:
        whole = _UNFINISHED.match(text)
        end = len(text) if whole is None else whole.end()
        self._rest = text[end:]
        return "".join(self._json_units(text[:end]))

    def _json_units(self, text: str) -> Iterator[str]:
        for found in _JSON_UNIT.finditer(text):
            unit, code = found[0], found[1]
            sign = chr(int(code, 16)) if code else _CONTROLS.get(unit, unit)
            if len(sign) > 1 or not _SOME.match(sign):
                self._end_run(sign)
                yield unit
            elif self._counts(sign):
                yield sign if code else unit


def squeezed(text: str) -> str:
    """Return a complete text with its runs cut short."""
    return Squeeze().add(text)

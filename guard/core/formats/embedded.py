"""Pictures and files that stand in a text as base64: in data URLs of markdown and HTML, and in JSON of tool results.

To whoever shows or passes on such a text it is a picture, and letters to a model that reads it as it stands. So it is
judged as the picture, and what its letters and its bytes say as they stand remains in the text.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from typing import Final

from guard.core.formats.readable import text_in_bytes, words_in_base64
from guard.core.image import decode_base64, media_type

# Symbols, without blanks: no picture of fewer bytes shows words, and examples in documentation are cut short.
_LEAST: Final = 128
# Characters of a text that is looked into. Longer ones are too long to be judged as well (`text_too_long`).
_MOST: Final = 2**21

# How base64 of pictures and of files begins. The short ones count only where no other symbol stands before.
_LONG_HEADS: Final = (
    "iVBORw0KGg", "R0lGODdh", "R0lGODlh", "JVBERi0", "0M8R4KGx", "N3q8ryc", "UmFyIRo", "AAAADGpQICA", "AAAADEpYTCA",
)  # fmt: skip
_SHORT_HEADS: Final = (
    "/9j/", r"\/9j\/", "%2F9j%2F", "%2f9j%2f", "UklGR", "UEsDB", "H4sIA", "SUkqA", "TU0AK", "T2dnU", "SUQz", "GkXfo",
    "d09GM", "d09GR", "AAEAAAA", "OEJQUw",
)  # fmt: skip
_FTYP: Final = re.compile("AAAA..Z0eXB")  # AVIF, HEIC and MP4: the name of the format stands behind a length
_BITMAP: Final = re.compile("Qk.{6}AAAA")  # its size is followed by zeros
_ENCODED: Final = re.compile(r";base64,[ \t\r\n]*", re.IGNORECASE | re.ASCII)
_DATA: Final = re.compile("data:", re.IGNORECASE | re.ASCII)
_MOST_TYPE: Final = 200  # characters of a data URL before its data
_MARKS: Final = (*_LONG_HEADS, *_SHORT_HEADS, "Z0eXB", "Qk", "64,")

_SYMBOL: Final = "[A-Za-z0-9+/_-]"
_ESCAPED: Final = r"(?:\\/|%2[BbFf])"
_BLOCK: Final = rf"(?:{_SYMBOL}|{_ESCAPED}){_SYMBOL}*+(?:{_ESCAPED}{_SYMBOL}*+)*+"
_BREAK: Final = r"(?:[ \t\r\n]|\\[rnt]){1,8}+"
_IS_SYMBOL: Final = re.compile(_SYMBOL)
_FIRST: Final = re.compile(_BLOCK)
_LINE: Final = re.compile(rf"{_BREAK}({_BLOCK})")
# Lines of 16 symbols and more belong together, and several shorter ones of equal length; the last one may be shorter.
_LEAST_LINE: Final = 16
_LEAST_LINES: Final = 4
_LONG_LINES: Final = re.compile(rf"(?:{_BREAK}(?={_SYMBOL}{{{_LEAST_LINE}}}){_BLOCK})*+")
_LAST: Final = re.compile(
    rf"{_BREAK}(?P<line>{_SYMBOL}{{1,{_LEAST_LINE - 1}}}+)(?==|%3[Dd]|\s*\Z|\s*[\"'`)>\\]|[ \t]*\r?\n)"
)
_PADDING: Final = re.compile("(?:=|%3[Dd]){0,2}")
_BLANK: Final = re.compile(r"\\[rnt]|[ \t\r\n\\]")
_URL_SAFE: Final = str.maketrans("-_", "+/")


@dataclass(frozen=True, slots=True)
class Embedded:
    """Characters `start` to `end` of a text that are base64 of a picture or of another file, perhaps as a data URL.

    `encoded` is a picture's, as one writes it; None for other files, which nobody judges. `says` is what a model may
    read in it.
    """

    start: int
    end: int
    encoded: str | None
    is_data_url: bool
    says: str


@dataclass(frozen=True, slots=True)
class _Head:
    """Where something may begin, and its base64; `declared` is the type in a data URL, None where there is none."""

    start: int
    data: int
    declared: str | None = None


def embedded_in(text: str) -> list[Embedded]:
    """Return the pictures and files in a text, in order and apart; mostly none. The time is linear in its size."""
    if not _LEAST <= len(text) <= _MOST or not any(map(text.__contains__, _MARKS)):
        return []
    return list(_pieces(text))


def without(text: str, pieces: list[Embedded]) -> str:
    """Return a text with what its embedded pieces say in their places."""
    parts: list[str] = []
    end = 0
    for piece in pieces:
        parts += [text[end : piece.start], f"\n{piece.says}\n" if piece.says else " "]
        end = piece.end
    return "".join((*parts, text[end:]))


def _pieces(text: str) -> Iterator[Embedded]:
    nearest = {find: head for find in _FINDERS if (head := find(text, 0)) is not None}
    while nearest:
        head = min(nearest.values(), key=lambda head: head.start)
        end, last = _run_at(text, head.data)
        piece = _piece(text, head, end, last)
        if piece is not None:
            yield piece
        # Nothing begins within what was looked at, whether or not it is a file.
        at = max(end, head.data, head.start + 1)
        for find in [find for find, head in nearest.items() if head.start < at]:
            found = find(text, at)
            if found is None:
                del nearest[find]
            else:
                nearest[find] = found


def _find_long(head: str, text: str, at: int) -> _Head | None:
    place = text.find(head, at)
    return None if place < 0 else _Head(place, place)


def _find_short(head: str, text: str, at: int) -> _Head | None:
    place = text.find(head, at)
    while place > 0 and _IS_SYMBOL.match(text, place - 1):
        run = _FIRST.match(text, place)
        place = -1 if run is None else text.find(head, run.end())
    return None if place < 0 else _Head(place, place)


def _find_pattern(pattern: re.Pattern[str], text: str, at: int) -> _Head | None:
    found = pattern.search(text, at)
    return None if found is None else _Head(found.start(), found.start())


def _find_data_url(text: str, at: int) -> _Head | None:
    found = _ENCODED.search(text, at)
    if found is None:
        return None
    before = max(at, found.start() - _MOST_TYPE)
    heads = list(_DATA.finditer(text, before, found.start()))
    if not heads:
        return _Head(found.end(), found.end())
    declared = text[heads[-1].end() : found.start()].partition(";")[0]
    return _Head(heads[-1].start(), found.end(), declared.strip().lower())


_FINDERS: Final[tuple[Callable[[str, int], _Head | None], ...]] = (
    _find_data_url,
    *(partial(_find_long, head) for head in _LONG_HEADS),
    *(partial(_find_short, head) for head in _SHORT_HEADS),
    partial(_find_pattern, _FTYP),
    partial(_find_pattern, _BITMAP),
)


def _run_at(text: str, start: int) -> tuple[int, str]:
    """Return where the base64 ends that begins at `start`, and its last line where that might be a word behind it."""
    first = _FIRST.match(text, start)
    if first is None:
        return start, ""
    end = first.end()
    line = _LINE.match(text, end)
    if line is not None:
        lines = _LONG_LINES if len(line[1]) >= _LEAST_LINE else _lines_of(len(line[1]))
        several = lines.match(text, end)
        end = end if several is None else several.end()
    last = _LAST.match(text, end)
    end = end if last is None else last.end()
    padding = _PADDING.match(text, end)
    return end if padding is None else padding.end(), "" if last is None else last["line"]


@cache
def _lines_of(size: int) -> re.Pattern[str]:
    return re.compile(rf"(?:{_BREAK}{_SYMBOL}{{{size}}}+(?!{_SYMBOL})){{{_LEAST_LINES},}}+")


def _piece(text: str, head: _Head, end: int, last: str) -> Embedded | None:
    run = text[head.data : end]
    is_data_url = head.declared is not None
    symbols = _BLANK.sub("", _unquoted(run).replace(r"\/", "/")).translate(_URL_SAFE).rstrip("=")
    if len(symbols) < _LEAST:
        return None
    whole = symbols[:-1] if len(symbols) % 4 == 1 else symbols
    encoded = whole + "=" * (-len(whole) % 4)
    data = decode_base64(encoded)
    kind = media_type(data)
    if kind == "image/bmp" and not is_data_url and not _is_bitmap(data):
        return None
    says = text_in_bytes(data)
    if kind is None and 2 * len(says) > len(data):
        return None  # a text, which is read in another way
    is_picture = kind is not None and (head.declared or "image/").startswith("image/")
    said = "\n".join(filter(None, (says, words_in_base64(run), last)))
    return Embedded(head.start, end, encoded if is_picture else None, is_data_url, said)


def _unquoted(run: str) -> str:
    if "%" not in run:
        return run
    return re.sub("%2[Bb]", "+", re.sub("%2[Ff]", "/", re.sub("%3[Dd]", "=", run)))


def _is_bitmap(data: bytes) -> bool:
    """Whether the header of a bitmap follows: two letters alone begin many a text."""
    return data[6:10] == bytes(4) and data[14:18] in [bytes((size, 0, 0, 0)) for size in (12, 40, 52, 56, 64, 108, 124)]

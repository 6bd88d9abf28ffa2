"""Text cut into groups of equal length: base64, hex and octal codes in fours or threes, sentences in twos.

Groups are joined where that gives printable text out of what is none, or words out of what are few.
"""

import re
from collections.abc import Iterator, Sequence

from guard.core.encodings import Piece, apart, printable, say_base64
from guard.core.english import WORDS, Glance, is_language, split_words

_GROUP = re.compile(r"[A-Za-z0-9/_]+={0,2}")
_MOST_GAP = 5  # quotes, blanks and a plus
_LEAST_GROUPS = 4
_LEAST_CHARS = 10
_MOST_CHARS_OF_GROUP = 32
# Words of the same length, before the groups.
_MOST_SKIPPED = 2
_HEX = re.compile("[0-9a-fA-F]+")
_OCTAL = re.compile("[0-7]+")
# Ordinary words of the same length stand side by side now and then: few long ones, and few that make no words.
_SYLLABLES = range(2, 4)
_LEAST_SYLLABLES = 6
_LEAST_LISTED = 0.9  # of the letters, once joined; at most half of the groups before


def groups_joined(glance: Glance) -> list[Piece]:
    """Return what groups of equal length say together, in order and apart."""
    return apart(piece for run in _runs(glance.text) if (piece := _say(run)))


def _runs(text: str) -> Iterator[list[re.Match[str]]]:
    """Yield neighbouring groups of equal length; the last one may be shorter."""
    run: list[re.Match[str]] = []
    for group in _GROUP.finditer(text):
        size = len(group[0])
        is_near = bool(run) and group.start() - run[-1].end() <= _MOST_GAP
        if is_near and size <= len(run[0][0]) and len(run[-1][0]) == len(run[0][0]):
            run.append(group)
            continue
        if len(run) >= _LEAST_GROUPS:
            yield run
        # A shorter one may be the first of its own length.
        begun = [run[-1]] if is_near and size == len(run[-1][0]) else []
        run = [*begun, group] if size <= _MOST_CHARS_OF_GROUP else []
    if len(run) >= _LEAST_GROUPS:
        yield run


def _say(run: Sequence[re.Match[str]]) -> Piece | None:
    for skipped in range(min(_MOST_SKIPPED, len(run) - _LEAST_GROUPS) + 1):
        groups = [group[0].rstrip("=") for group in run[skipped:]]
        joined = "".join(groups)
        if len(joined) >= _LEAST_CHARS and (says := _decoded(groups, joined) or _worded(groups, joined)):
            return Piece(run[skipped].start(), run[-1].end(), says)
    return None


def _decoded(groups: Sequence[str], joined: str) -> str:
    ways = [say_base64(joined)]
    if _HEX.fullmatch(joined):
        ways.append(printable(bytes.fromhex(joined[: len(joined) // 2 * 2])))
    if len(groups[0]) == 3 and _OCTAL.fullmatch(joined):
        ways.append(printable(bytes(int(group, 8) % 256 for group in groups)))
    return next(filter(is_language, ways), "")


def _worded(groups: Sequence[str], joined: str) -> str:
    is_cut = len(groups[0]) in _SYLLABLES and len(groups) >= _LEAST_SYLLABLES and joined.isascii() and joined.isalpha()
    if not is_cut or 2 * sum(group.lower() in WORDS for group in groups) > len(groups):
        return ""
    words = split_words(joined)
    listed = sum(len(word) for word in words if word in WORDS)
    return " ".join(words) if listed >= _LEAST_LISTED * len(joined) else ""

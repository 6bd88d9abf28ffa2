"""One choice of an answer as it grows: which texts to judge next, how far it is judged, how far it may be shown.

A window is what is new together with the end of what came before it. The text of a choice is judged in the order in
which it came (the last words of a reasoning stand before the first ones of the answer), and where pieces of several
texts came in turns, each text is judged on its own as well.

Positions count characters of a choice, over all its texts, whose runs of blanks are cut short (`guard.answers.blanks`):
blanks push no words out of a window. What is judged depends on the events alone, never on how their bytes arrived.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from guard.answers.blanks import Squeeze
from guard.answers.found import Piece, Strand

_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t", "b": " ", "f": " "}
# Where this many windows have come at once, they are judged in larger steps: each costs its context once more.
_MANY = 4
_LARGE_STEP_WINDOWS = 20
# Of a text in full.
_LARGE_STEP_CHARS = 4000
# Windows of an answer hold as many letters as the guard judges of one text (`guard.manifest`), overlaps aside.
MOST_CHARS = 2**21


@dataclass(frozen=True, slots=True)
class Windows:
    """How an answer is cut, in characters, of runs of blanks only the first ones.

    Each character is shown after it was judged with the `context` before it (less a word that would be cut) and the
    `hold_back` after it. What is held back fits into the context, so that it is judged together with what follows.
    """

    step: int = 200
    context: int = 200
    hold_back: int = 60

    def __post_init__(self) -> None:
        if self.step < 1 or not 0 <= 4 * self.hold_back <= 3 * self.context:
            raise ValueError(f"step {self.step}, hold_back {self.hold_back}, context {self.context}")

    @property
    def first_step(self) -> int:
        """Characters of the first window: fewer than of the others, since somebody waits for the first word."""
        return min(self.step, self.hold_back + -(-self.step // 5))

    @property
    def kept(self) -> int:
        """Characters to keep of what was judged: enough to cut the context from."""
        return self.context + 1


class Choice:
    """One choice of an answer."""

    def __init__(self, windows: Windows) -> None:
        self._windows = windows
        self._pieces: deque[Piece] = deque()  # from `_asked` on, what of them counts
        self._cut_off = 0  # characters of the first one that were asked about: a copy of the rest for each step is slow
        self._squeezes: dict[Strand, Squeeze] = {}
        self._tails: dict[Strand, str] = {}
        self._wholes: dict[Strand, list[str]] = {}
        self._lengths: dict[Strand, int] = {}
        self._tail = ""  # of all its texts in the order in which they came
        self._last: Strand | None = None
        self._arrived = 0
        self._asked = 0  # judged, or being judged
        self._judged = 0
        self._ended = 0  # up to where nothing that follows belongs to the same words

    @property
    def arrived(self) -> int:
        """Characters that came and count."""
        return self._arrived

    @property
    def pending(self) -> int:
        """Characters that nobody was asked about yet."""
        return self._arrived - self._asked

    @property
    def settled(self) -> int:
        """The position up to which it may be shown."""
        return max(self._judged - self._windows.hold_back, min(self._ended, self._judged))

    def add(self, piece: Piece) -> None:
        """Take the next piece of one of its texts."""
        if piece.strand not in self._squeezes:
            self._squeezes[piece.strand] = Squeeze(is_json=piece.is_json)
        text = self._squeezes[piece.strand].add(piece.text)
        if text:
            self._pieces.append(replace(piece, text=text))
            self._arrived += len(text)
        self._wholes.setdefault(piece.strand, []).append(piece.text)
        self._lengths[piece.strand] = self._lengths.get(piece.strand, 0) + len(piece.text)

    def says(self, text: str) -> bool:
        """Whether one of its texts so far is just this one."""
        return any(
            size == len(text) and "".join(self._wholes[strand]) == text for strand, size in self._lengths.items()
        )

    def end(self) -> None:
        """Take note that its words so far are complete."""
        self._ended = self._arrived

    def passed(self) -> None:
        """Take note that what was asked about may be shown."""
        self._judged = self._asked

    def give_up(self) -> None:
        """Take note that what came is too long to be judged, as its judge is told."""
        self._pieces.clear()
        self._cut_off, self._asked, self._tail = 0, self._arrived, ""
        self._tails.clear()

    def ask(self, *, everything: bool) -> Iterator[str]:
        """Yield the windows to judge next: whole steps, or all that is there."""
        while (step := self._next_step(everything)) > 0:
            yield from self._ask(step)

    def _next_step(self, everything: bool) -> int:
        step = self._windows.step if self._asked else self._windows.first_step
        if self.pending < step:
            return self.pending if everything else 0
        is_much = self.pending >= _MANY * self._windows.step
        size = _LARGE_STEP_WINDOWS * self._windows.step if is_much else step
        if self.pending <= size and (everything or is_much):
            return self.pending
        return _at_a_blank(_head(self._pieces, self._cut_off, size))

    def _ask(self, size: int) -> Iterator[str]:
        pieces = self._cut(size)
        before = _end_of(self._tail, self._windows.context)
        new = ""
        for piece in pieces:
            if self._last not in (None, piece.strand):
                new += "\n"
            self._last = piece.strand
            new += piece.text
        window = before + new
        yield window
        self._tail = (self._tail + new)[-self._windows.kept :]
        fresh: dict[Strand, str] = {}
        escaped = set()
        for piece in pieces:
            fresh[piece.strand] = fresh.get(piece.strand, "") + piece.text
            if piece.is_json:
                escaped.add(piece.strand)
        for strand, text in fresh.items():
            tail = self._tails.get(strand, "")
            own = _end_of(tail, self._windows.context) + text
            self._tails[strand] = (tail + text)[-self._windows.kept :]
            if own not in window:
                yield own
            if strand in escaped and "\\" in own:
                yield unescape(own)

    def _cut(self, size: int) -> list[Piece]:
        """Return the pieces that make the next `size` characters, the last of them perhaps in part."""
        self._asked += size
        taken: list[Piece] = []
        while self._pieces and size:
            piece = self._pieces[0]
            text = piece.text[self._cut_off : self._cut_off + size]
            taken.append(replace(piece, text=text))
            size -= len(text)
            self._cut_off += len(text)
            if self._cut_off == len(piece.text):
                self._pieces.popleft()
                self._cut_off = 0
        return taken


def in_steps(text: str, windows: Windows, *, before: str = "") -> list[str]:
    """Return a text in steps, each with the end of the one before it; the first one with the text `before` it."""
    if not text:
        return []
    both = joined(before, text)
    starts = range(len(both) - len(text), len(both), _LARGE_STEP_CHARS)
    return [both[max(0, start - windows.context) : start + _LARGE_STEP_CHARS] for start in starts]


def joined(before: str, text: str) -> str:
    """Return two texts, one a line, or the one that is not empty."""
    return f"{before}\n{text}" if before and text else before + text


def unescape(text: str) -> str:
    """Return a part of a JSON text with its escapes resolved, also where it begins or ends inside of one."""
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else _CONTROLS.get(found[2], found[2]), text)


def _head(pieces: Iterable[Piece], start: int, size: int) -> str:
    """Return `size` characters of the pieces together, from character `start` on."""
    taken: list[str] = []
    for piece in pieces:
        taken.append(piece.text[start : start + size])
        size -= len(taken[-1])
        start = 0
        if not size:
            break
    return "".join(taken)


def _at_a_blank(text: str) -> int:
    """Return where to cut at the end of a text: after the last blank in its last quarter, else at its end."""
    for place in range(len(text), len(text) - len(text) // 4, -1):
        if text[place - 1].isspace():
            return place
    return len(text)


def _end_of(text: str, size: int) -> str:
    """Return the last `size` characters, without a word that was cut."""
    if len(text) <= size:
        return text
    if not size:
        return ""
    end = text[-size:]
    first = next((place for place, sign in enumerate(end[: size // 4]) if sign.isspace()), -1)
    return end[first + 1 :]

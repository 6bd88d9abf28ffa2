"""An event stream held back until it is judged. Bytes go in; what to judge next and what may be shown come out.

    held.feed(bytes)  ->  held.look()  ->  judge it  ->  held.passed()  ->  held.shown()

An event is shown whole, in its turn, once all that it says is judged: log probabilities wait with their tokens. What is
shown is written anew from what was read. How the bytes were cut on their way makes no difference to anything here.
"""

import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from guard.answers.blanks import squeezed
from guard.answers.exact import parse_event
from guard.answers.forms import Ending, Form
from guard.answers.found import Found
from guard.answers.sse import Event, EventReader
from guard.answers.strands import MOST_CHARS, Choice, Windows, in_steps, joined
from guard.core.events import DONE, KEEP_ALIVE, write_event
from guard.core.formats.language import is_name
from guard.errors import AnswerUnreadable, RequestInvalid, TextTooLong
from guard.types import ImageInput

_MOST_EVENT_BYTES = 2**25
_EVENT_NAME = re.compile(r"\w+(?:\.\w+)+")
# Of what waits, for each character of a step and of what is held back: tokens with twenty candidates each take 500.
_MOST_HELD_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Look:
    """What has to be judged before more is shown."""

    texts: tuple[str, ...]
    images: tuple[ImageInput, ...] = ()
    unseen: tuple[str, ...] = ()  # codes of parts that nobody can judge


@dataclass(frozen=True, slots=True)
class _Held:
    """An event that waits: for each choice that it belongs to, the position up to which must have been judged."""

    written: bytes
    document: Any
    needs: Mapping[int, int]


class HeldStream:
    """One event stream on its way to the client.

    Args:
        form: the API's.
        ending: is told what was shown.
        windows: how far to judge at once, and how much to hold back.
        is_known: whether a text is the request's own, which was judged there: APIs repeat instructions and tools.
    """

    def __init__(self, form: Form, ending: Ending, windows: Windows, is_known: Callable[[str], bool]) -> None:
        self._form = form
        self._ending = ending
        self._windows = windows
        self._is_known = is_known
        self._reader = EventReader(_MOST_EVENT_BYTES)
        self._events: deque[Event] = deque()
        self._held: deque[_Held] = deque()
        self._held_bytes = 0
        self._choices: dict[int, Choice] = {}
        self._shown_to: dict[int, int] = {}  # positions of the choices
        self._seen: set[str] = set()  # texts in full that passed
        self._asked: list[str] = []
        self._wholes_tail = ""  # of the texts in full so far, one after the other
        self._ready: list[bytes] = []
        self._is_waiting = False  # a look is being judged
        self._has_ended = False

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the body. Raises AnswerUnreadable: an event is too large for memory."""
        self._reader.feed(chunk, self._events)

    def end(self) -> None:
        """Take the end of the body: whatever is still there is to be judged and shown."""
        self._reader.end(self._events)
        self._has_ended = True

    def look(self) -> Look | None:
        """Return what has to be judged next; None where more has to come first, or nothing is left.

        Raises:
            ValueError: the last one was neither passed nor the end of it.
        """
        if self._is_waiting:
            raise ValueError("a look is being judged")
        look: Look | None = None
        while self._events and look is None:
            look = self._read(self._events.popleft())
            if look is None:
                self._release()
        if look is None and self._has_ended:
            look = self._ask(Found(ended=set(self._choices)))
            if look is None:
                self._release()
        self._is_waiting = look is not None
        return look

    def passed(self) -> None:
        """Take note that the last look may be shown."""
        self._is_waiting = False
        self._seen.update(self._asked)
        for choice in self._choices.values():
            choice.passed()
        self._release()

    def shown(self) -> bytes:
        """Return what may be shown now and was not yet returned."""
        written, self._ready = b"".join(self._ready), []
        return written

    def unjudged(self) -> bytes:
        """Return all that is not shown yet, for whoever may see it without any judging."""
        rest = [*self._ready, *(held.written for held in self._held)]
        rest += [KEEP_ALIVE if event.is_comment else _as_it_came(event) for event in self._events]
        rest.append(self._reader.rest())
        self._ready, self._held, self._held_bytes, self._events = [], deque(), 0, deque()
        return b"".join(rest)

    def _read(self, event: Event) -> Look | None:
        if event.is_comment:
            self._ready.append(KEEP_ALIVE)  # what it says is for nobody
            return None
        found, document, data = Found(), None, event.data
        if event.data == DONE:
            found.ended.update(self._choices)
        elif event.data:
            try:
                document, data = parse_event(event.data)
                found = self._form.read_event(document)
            except RequestInvalid:
                found.unseen.append(AnswerUnreadable.code)
        name = event.name.decode(errors="replace")
        if not is_name(name):
            found.wholes.append(name)
        for piece in found.pieces:
            self._choice(piece.choice).add(piece)
        look = self._ask(found)
        touched = {piece.choice for piece in found.pieces} | (found.ended & self._choices.keys())
        needs = {key: self._choices[key].arrived for key in touched}
        self._held.append(_Held(write_event(data, name=event.name, more=event.more), document, needs))
        self._held_bytes += len(self._held[-1].written)
        return look

    def _ask(self, found: Found) -> Look | None:
        """Return what has to be judged now that an event came; ends the choices whose text is complete."""
        new = [text for text in dict.fromkeys(found.wholes) if text not in self._seen and not self._is_known(text)]
        for text in tuple(new):
            repeated = [key for key, choice in self._choices.items() if choice.says(text)]
            if repeated:  # a text once more in full, at its end
                found.ended.update(repeated)
                new.remove(text)
        if self._is_stuck():
            found.ended.update(self._choices)
        texts: list[str] = []
        if sum(choice.pending for choice in self._choices.values()) + sum(map(len, new)) > MOST_CHARS:
            found.unseen.append(TextTooLong.code)
            new = []
            for choice in self._choices.values():
                choice.give_up()
        for key, choice in self._choices.items():
            if key in found.ended:
                choice.end()
            texts += choice.ask(everything=key in found.ended)
        self._asked = new
        texts += self._ask_in_full(new)
        if not (texts or found.images or found.unseen):
            return None
        return Look(tuple(map(_mended, texts)), tuple(found.images), tuple(dict.fromkeys(found.unseen)))

    def _ask_in_full(self, new: Sequence[str]) -> list[str]:
        """Return what to judge of texts in full: after the end of those before them, as words may come one by one."""
        names = [text for text in new if _EVENT_NAME.fullmatch(text)]
        full = squeezed("\n".join(text for text in new if not _EVENT_NAME.fullmatch(text)))
        asked = [*in_steps("\n".join(names), self._windows), *in_steps(full, self._windows, before=self._wholes_tail)]
        both = joined(self._wholes_tail, full)
        self._wholes_tail = both[max(0, len(both) - self._windows.context) :]
        return asked

    def _is_stuck(self) -> bool:
        """Whether much is held back: one of several choices has little to say, or only blanks and empty events come."""
        waiting = [choice.arrived - self._shown_to.get(key, 0) for key, choice in self._choices.items()]
        most = 2 * (self._windows.step + self._windows.hold_back)
        has_waited_long = self._held_bytes > _MOST_HELD_BYTES * (self._windows.step + self._windows.hold_back)
        return has_waited_long or (len(waiting) > 1 and sum(waiting) > most * len(waiting))

    def _release(self) -> None:
        while self._held:
            first = self._held[0]
            if any(self._choices[key].settled < need for key, need in first.needs.items()):
                return
            self._held.popleft()
            self._held_bytes -= len(first.written)
            self._shown_to.update(first.needs)
            self._ready.append(first.written)
            self._ending.shown(first.document)

    def _choice(self, key: int) -> Choice:
        if key not in self._choices:
            self._choices[key] = Choice(self._windows)
        return self._choices[key]


def look_at(found: Found, windows: Windows, is_known: Callable[[str], bool]) -> Look | None:
    """Return all that has to be judged in a complete answer; None where it says nothing of its own."""
    if sum(len(piece.text) for piece in found.pieces) + sum(map(len, found.wholes)) > MOST_CHARS:
        return Look((), tuple(found.images), tuple(dict.fromkeys([*found.unseen, TextTooLong.code])))
    choices: dict[int, Choice] = {}
    for piece in found.pieces:
        choices.setdefault(piece.choice, Choice(windows)).add(piece)
    texts = [text for choice in choices.values() for text in choice.ask(everything=True)]
    wholes = "\n".join(text for text in dict.fromkeys(found.wholes) if not is_known(text))
    texts += in_steps(squeezed(wholes), windows)
    if not (texts or found.images or found.unseen):
        return None
    return Look(tuple(map(_mended, texts)), tuple(found.images), tuple(dict.fromkeys(found.unseen)))


def _as_it_came(event: Event) -> bytes:
    return write_event(event.data, name=event.name, more=event.more)


def _mended(text: str) -> str:
    """Return a text in which the halves of a letter that came in two events are one."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\ufffd", "")
    return text

"""Server-sent events, read: bytes in any pieces to events. The pieces make no difference.

Read as https://html.spec.whatwg.org/multipage/server-sent-events.html says, but for two things that clients of LLM APIs
do: an event that the stream's end cuts off is an event, and so is one that has a name and no data.
"""

import re
from collections import deque
from dataclasses import dataclass

from guard.core.events import LINE_END
from guard.errors import AnswerUnreadable

# What else an event may carry: neither can hold a sentence.
_MORE = re.compile(rb"id: ?[A-Za-z0-9_.:/+-]{0,64}|retry: ?[0-9]{1,9}")
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Event:
    """One event; a comment, which keeps the connection alive, is one of its own. `more` are its id and retry lines."""

    data: bytes = b""
    name: bytes = b""
    more: bytes = b""
    is_comment: bool = False


class EventReader:
    """Turns the body of an event stream into events, as its bytes come.

    Args:
        most_bytes: of one event; memory is the limit, not sense.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._line: list[bytes] = []  # the pieces of a line that has not ended
        self._line_bytes = 0
        self._event_bytes = 0
        self._skips_newline = False  # a "\r" ended the last piece: a "\n" after it ends no other line
        self._is_first_line = True
        self._data: list[bytes] = []
        self._name = b""
        self._more = b""
        self._unread = b""  # what came behind an event that is too large

    def feed(self, chunk: bytes, events: deque[Event]) -> None:
        """Add the events that end in this piece of the body to `events`.

        Raises:
            AnswerUnreadable: one is too large. Those before it were added; what came of it and behind it is the rest.
        """
        if self._skips_newline and chunk:
            self._skips_newline = False
            chunk = chunk.removeprefix(b"\n")
        start = 0
        for end in LINE_END.finditer(chunk):
            line = chunk[start : end.start()]
            start = end.end()
            try:
                self._end_line(line, events)
            except AnswerUnreadable:
                self._unread = chunk[start:]
                raise
        self._skips_newline = chunk.endswith(b"\r")
        rest = chunk[start:]
        if rest:
            self._line.append(rest)
            self._line_bytes += len(rest)
        self._check_size()

    def end(self, events: deque[Event]) -> None:
        """Add what the end of the stream cut off, as an event."""
        if self._line:
            self._end_line(b"", events)
        self._dispatch(events)

    def rest(self) -> bytes:
        """Return what has come of an event that has not ended, and behind one that is too large."""
        head = b"event: " + self._name + b"\n" if self._name else b""
        return head + self._more + self._lines() + b"".join((*self._line, self._unread))

    def _lines(self) -> bytes:
        return b"".join(b"data: " + line + b"\n" for line in self._data)

    def _end_line(self, rest: bytes, events: deque[Event]) -> None:
        line = b"".join((*self._line, rest)) if self._line else rest
        self._line, self._line_bytes = [], 0
        if self._is_first_line:
            line, self._is_first_line = line.removeprefix(_BOM), False
        if not line:
            self._dispatch(events)
        elif line.startswith(b":"):
            events.append(Event(is_comment=True))
        else:
            self._take(line)
            self._check_size()

    def _take(self, line: bytes) -> None:
        self._event_bytes += len(line)
        key, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if key == b"data":
            self._data.append(value)
        elif key == b"event":
            self._name = value
        elif _MORE.fullmatch(line):
            self._more += line + b"\n"

    def _dispatch(self, events: deque[Event]) -> None:
        if self._data or self._name:
            events.append(Event(b"\n".join(self._data), self._name, self._more))
        self._data, self._name, self._more, self._event_bytes = [], b"", b"", 0

    def _check_size(self) -> None:
        if self._event_bytes + self._line_bytes > self._most_bytes:
            raise AnswerUnreadable(f"an event of more than {self._most_bytes:,} bytes")

"""Log lines are written beside the requests, and never hold them up."""

import io
import logging
import threading
import time

import orjson
import pytest

from guard.server.logs import LineWriter, _JsonLines


def _record(text: str) -> logging.LogRecord:
    return logging.LogRecord("x", logging.WARNING, __file__, 1, text, None, None)


class _Slow(io.StringIO):
    """A stream that takes nothing until it may."""

    def __init__(self) -> None:
        super().__init__()
        self.may_go = threading.Event()
        self.was_asked = threading.Event()

    def write(self, text: str) -> int:
        self.was_asked.set()
        self.may_go.wait(60)
        return super().write(text)


def test_lines_are_written_in_their_order() -> None:
    stream = io.StringIO()
    writer = LineWriter(stream)

    for number in range(1000):
        writer.emit(_record(str(number)))
    writer.close()

    assert stream.getvalue().split() == [str(number) for number in range(1000)]


def test_stream_that_stands_still_holds_nobody_up_and_what_was_dropped_is_counted() -> None:
    stream = _Slow()
    writer = LineWriter(stream, most_waiting=10)
    writer.emit(_record("first"))
    stream.was_asked.wait(60)

    began = time.monotonic()
    for number in range(100):
        writer.emit(_record(str(number)))
    spent_s = time.monotonic() - began
    stream.may_go.set()
    writer.close()

    *lines, last = stream.getvalue().splitlines()
    assert spent_s < 30  # it was a minute
    assert lines == ["first", *map(str, range(10))]
    assert orjson.loads(last)["message"].startswith("90 log lines were dropped")


def test_writing_goes_on_after_an_idle_time() -> None:
    stream = io.StringIO()
    writer = LineWriter(stream)

    for text in ("one", "two"):
        writer.emit(_record(text))
        writer.flush()
        time.sleep(0.02)
    writer.close()

    assert stream.getvalue() == "one\ntwo\n"


class _Gone(io.StringIO):
    """A pipe whose reader has left."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_stream_that_is_gone_is_survived() -> None:
    writer = LineWriter(_Gone())

    for _ in range(3):
        writer.emit(_record("nobody reads"))
        writer.flush()
    writer.close()

    assert not writer._lines


@pytest.mark.parametrize(("message", "arguments"), [("%d", ("no number",)), ("%s", ("half a letter \ud83d",))])
def test_line_that_cannot_be_written_breaks_off_nobody_and_is_named_without_its_content(
    message: str, arguments: tuple[str, ...]
) -> None:
    stream = io.StringIO()
    writer = LineWriter(stream)
    writer.setFormatter(_JsonLines())

    writer.emit(logging.LogRecord("guard.x", logging.WARNING, "file", 7, message, arguments, None, "place"))
    writer.close()

    said = orjson.loads(stream.getvalue())
    assert (said["logger"], said["message"]) == ("guard.x", "a line from place:7 could not be written")

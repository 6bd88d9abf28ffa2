"""What the server writes to stderr: JSON lines, never a message that could quote a caller.

A thread writes them. Whoever reads stderr may be slow or stand still, and no request waits for that: beyond a number of
lines in memory new ones are dropped and counted.
"""

import logging
import sys
import threading
from collections import deque
from datetime import UTC, datetime
from typing import TextIO

import orjson

from guard.server import access_log, reload

_MOST_WAITING = 20_000
_FLUSH_S = 2.0
# Lines are written together: waking the thread for each takes the server longer than writing it.
_PAUSE_S = 0.05


class _JsonLines(logging.Formatter):
    """Access lines as they are; all others with time, level, logger and message.

    An exception is shown by type and place: its message may quote what a caller wrote.
    """

    def format(self, record: logging.LogRecord) -> str:
        if record.name == access_log.logger.name:
            return record.getMessage()
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            trace = record.exc_info[2]
            while trace is not None and trace.tb_next is not None:
                trace = trace.tb_next
            if trace is not None:
                line["place"] = f"{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}"
        return orjson.dumps(line).decode()


class LineWriter(logging.Handler):
    """Writes lines to a stream from a thread of its own.

    Args:
        most_waiting: lines in memory; more are dropped, and one line says how many once the stream takes lines again.
    """

    def __init__(self, stream: TextIO, *, most_waiting: int = _MOST_WAITING) -> None:
        super().__init__()
        self._stream = stream
        self._most_waiting = most_waiting
        self._lines: deque[str] = deque()
        self._dropped = 0
        self._has_lines = threading.Event()
        self._is_idle = threading.Event()
        self._is_idle.set()
        self._is_wanted = threading.Event()
        self._is_ending = False
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Have a line written, now or soon."""
        if len(self._lines) >= self._most_waiting:
            self._dropped += 1
            return
        self._lines.append(self._line_of(record))
        if not self._has_lines.is_set():
            self._is_idle.clear()
            self._has_lines.set()

    def _line_of(self, record: logging.LogRecord) -> str:
        try:
            return self.format(record)
        # Arguments that do not fit, half a letter: it would break off the request that is logged. logging's own way,
        # `handleError`, prints the arguments.
        except (TypeError, ValueError):
            return _line("error", record.name, f"a line from {record.funcName}:{record.lineno} could not be written")

    def flush(self) -> None:
        """Wait until every line is written, for at most two seconds."""
        self._is_wanted.set()
        self._is_idle.wait(_FLUSH_S)

    def close(self) -> None:
        """Write what waits, and end the thread."""
        self.flush()
        self._is_ending = True
        self._is_wanted.set()
        self._has_lines.set()
        super().close()

    def _write(self) -> None:
        while not self._is_ending:
            self._has_lines.wait()
            self._is_wanted.wait(_PAUSE_S)
            self._is_wanted.clear()
            self._has_lines.clear()
            while self._lines:
                taken = [self._lines.popleft() for _ in range(len(self._lines))]
                if self._dropped:
                    dropped, self._dropped = self._dropped, 0
                    taken.append(_line_about(dropped))
                self._put("".join(f"{line}\n" for line in taken))
            self._is_idle.set()
            if self._lines:  # one came just before
                self._is_idle.clear()
                self._has_lines.set()

    def _put(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            # Nobody reads any more: there is no other place to say so.
            self._dropped += text.count("\n")


def _line_about(dropped: int) -> str:
    return _line("warning", "guard.server", f"{dropped} log lines were dropped: whoever reads them was too slow")


def _line(level: str, logger: str, message: str) -> str:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return orjson.dumps({"time": now, "level": level, "logger": logger, "message": message}).decode()


# uvicorn says it of every answer that Guard breaks off on purpose.
_NOT_WORTH_A_LINE = "ASGI callable returned without completing"


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    return record.name == access_log.logger.name or not record.getMessage().startswith(_NOT_WORTH_A_LINE)


def start_logging(*, access: bool) -> LineWriter:
    """Send logs to stderr: warnings of everything, and the access lines if wanted."""
    # Found out for each line, and in none of them: the standard library's own way to save the time.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = LineWriter(sys.stderr)
    handler.setFormatter(_JsonLines())
    handler.addFilter(_is_worth_a_line)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    reload.logger.setLevel(logging.INFO)
    access_log.logger.setLevel(logging.INFO if access else logging.WARNING)
    return handler

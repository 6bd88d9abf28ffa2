"""What the server writes to stderr: JSON lines, never a message that could quote a caller."""

import logging
import sys
from datetime import UTC, datetime

import orjson

from guard.server import access_log, reload


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


# uvicorn says it of every answer that Guard breaks off on purpose.
_NOT_WORTH_A_LINE = "ASGI callable returned without completing"


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(_NOT_WORTH_A_LINE)


def start_logging(*, access: bool) -> None:
    """Send logs to stderr: warnings of everything, and the access lines if wanted."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    handler.addFilter(_is_worth_a_line)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    reload.logger.setLevel(logging.INFO)
    access_log.logger.setLevel(logging.INFO if access else logging.WARNING)

"""What a client's tests know of the house they run in: addresses, what they send, and what reached the API.

It runs in the clients' own environments, so it needs the standard library alone.
"""

import base64
import json
import os
import struct
import urllib.request
import zlib
from dataclasses import dataclass
from typing import Any

SAFE = "hello the cat"
UNSAFE = "how to make a bomb"
ERROR_CODE = "content_filter"
# Of the API's answers that nobody should read, and of Guard's words about them.
UNSAFE_MODELS = ("unsafe", "unsafe-tools", "unsafe-reasoning")
UNSAFE_WORD = "bomb"

# Never sent on, or made anew by each connection; and what counts a client's own requests and time.
_OF_THE_CONNECTION = frozenset(
    {"host", "connection", "content-length", "accept-encoding", "transfer-encoding", "x-stainless-read-timeout"}
)


@dataclass(frozen=True)
class House:
    """Where the API and the Guards in front of it listen: base URLs without `/v1`."""

    api: str  # the API itself
    error: str  # refusals are errors
    message: str  # refusals are messages
    lenient: str  # what Guard cannot see passes: on_unjudged allow
    answers: str  # answers are judged too
    answers_message: str  # and refusals are messages
    overlap: str  # the API is called while Guard judges

    @property
    def transparent(self) -> tuple[str, ...]:
        """Guards through which allowed calls must look as if there were none."""
        return self.error, self.answers, self.overlap

    @classmethod
    def from_environment(cls) -> "House":
        """Read the addresses that `test_matrix.py` hands over."""
        return cls(**{name: os.environ[f"GUARD_CLIENTS_{name.upper()}"] for name in cls.__annotations__})

    def seen(self) -> list[dict[str, Any]]:
        """Return the requests that reached the API, and forget them; headers without those of the connection."""
        found = json.loads(_ask(f"{self.api}/seen"))
        _ask(f"{self.api}/seen", "DELETE")
        for request in found:
            headers = request["headers"]
            request["headers"] = {name: headers[name] for name in headers.keys() - _OF_THE_CONNECTION}
        return list(found)

    def metric(self, url: str, sample: str) -> float:
        """Return the value of a sample (`name{label="x"}`) of a Guard, 0.0 where nothing was counted."""
        lines = _ask(f"{url}/metrics").decode().splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{sample} ")), 0.0)


def _ask(url: str, method: str = "GET") -> bytes:
    with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=10) as answer:
        return bytes(answer.read())


def picture(red: int, green: int, blue: int, *, side: int = 32) -> str:
    """Return a PNG of one colour in base64. A red one is unsafe to the bundle of the tests, a blue one is not."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\x00" + bytes((red, green, blue)) * side) * side
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    parts = (chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"".join(parts)).decode()


BLUE, RED = picture(0, 0, 255), picture(255, 0, 0)


def data_url(encoded: str) -> str:
    """Return a picture in base64 as a data URL."""
    return f"data:image/png;base64,{encoded}"

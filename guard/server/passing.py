"""Bodies of answers on their way through Guard: read within limits, and passed on in other words or behind others."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from guard.errors import Overloaded
from guard.server.admission import Hold

_FRAMING = frozenset({"content-length", "content-encoding"})


@dataclass(frozen=True, slots=True)
class Passed:
    """An `UpstreamResponse` in other words."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: AsyncIterator[bytes]

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body."""
        return self.body

    async def close(self) -> None:
        """Leave the connection to whoever opened it."""


class Held:
    """The bytes of one stream that are in memory, accounted for as they come and go.

    Args:
        hold: accounts for them, and takes negative numbers, too.
    """

    def __init__(self, hold: Hold) -> None:
        self._hold = hold
        self._size_bytes = 0

    def came(self, size_bytes: int) -> None:
        """Account for bytes that came. Raises Overloaded: no room for them."""
        self._hold(size_bytes)
        self._size_bytes += size_bytes

    def went(self, size_bytes: int) -> None:
        """Give back bytes that were sent; what was written anew may be longer than what came."""
        given_back = min(size_bytes, self._size_bytes)
        self._hold(-given_back)
        self._size_bytes -= given_back


async def read_whole(chunks: AsyncIterator[bytes], most_bytes: int, hold: Hold) -> tuple[bytes, bool]:
    """Return a body, and whether it is whole: reading stops where it is too large, or there is no room for more of it.

    Raises:
        UpstreamFailed: it broke off.
    """
    parts: list[bytes] = []
    size = 0
    async for chunk in chunks:
        parts.append(chunk)
        size += len(chunk)
        try:
            hold(len(chunk))
        except Overloaded:
            return b"".join(parts), False
        if size > most_bytes:
            return b"".join(parts), False
    return b"".join(parts), True


async def after(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield bytes that were read already, and then the rest."""
    yield first
    async for chunk in rest:
        yield chunk


def without_framing(headers: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the headers without those about the length and the encoding of the body as it came."""
    return [(name, value) for name, value in headers if name not in _FRAMING]

"""A request's body on its way out: in pieces that no other request waits long for, and never copied."""

import asyncio

from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload

# The kernel takes a piece in about a tenth of a millisecond.
_PIECE_BYTES = 2**18


class InPieces(Payload):
    """A body that is written piece by piece; the loop serves others while the connection's buffer is full.

    aiohttp's own way for large bodies, a BytesIO, copies each piece, and leaves the loop 30 times for 2 MB.
    """

    _value: bytes
    _autoclose = True

    def __init__(self, body: bytes, *, silence_s: float) -> None:
        super().__init__(body, content_type="application/octet-stream")
        self._size = len(body)
        self._silence_s = silence_s

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return the body as text."""
        return self._value.decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write the whole body. Raises TimeoutError where the upstream takes nothing for `silence_s`."""
        view = memoryview(self._value)
        for start in range(0, len(view), _PIECE_BYTES):
            async with asyncio.timeout(self._silence_s):
                await writer.write(view[start : start + _PIECE_BYTES])


def payload(body: bytes, *, silence_s: float) -> bytes | InPieces | None:
    """Return what aiohttp takes as `data` for a body; None for an empty one.

    Args:
        body: whole.
        silence_s: how long the upstream may take nothing of it.
    """
    return InPieces(body, silence_s=silence_s) if len(body) > _PIECE_BYTES else body or None

"""Head and body of an answer in one write to the socket: each write takes some ten microseconds, for every answer."""

import asyncio
from contextlib import suppress

_HEAD = b"HTTP/1.1 "


class Gathering:
    """A transport that holds a head back until the first bytes of its body come, at most to the loop's next turn.

    An LLM's head comes long before its first token; no client should wait for it. What uvicorn asks of a transport is
    here, and nothing else.

    Args:
        transport: what is written to.
        loop: whose turn it is.
    """

    __slots__ = ("_head", "_loop", "_transport", "get_extra_info", "is_closing", "pause_reading", "resume_reading")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""
        self.get_extra_info = transport.get_extra_info
        self.is_closing = transport.is_closing
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading

    def write(self, data: bytes) -> None:
        """Write bytes behind whatever is held back; what looks like a head is held back itself."""
        if self._head:
            head, self._head = self._head, b""
            self._transport.writelines((head, data))
        elif data.startswith(_HEAD):
            self._head = data
            self._loop.call_soon(self._let_go)
        else:
            self._transport.write(data)

    def close(self) -> None:
        """Close once everything is written."""
        self._let_go()
        self._transport.close()

    def _let_go(self) -> None:
        head, self._head = self._head, b""
        if head:
            # Not asked whether it is closing: one with bytes still to go takes what comes behind them. uvloop raises
            # where a connection is lost already, and nobody is here to hear of it.
            with suppress(RuntimeError):
                self._transport.write(head)

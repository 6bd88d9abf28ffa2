"""One HTTP/1.1 connection to an upstream: a request at a time, its answer read as it comes.

A client of its own, in place of aiohttp's: a request costs a quarter of the processor time there, large bodies are not
copied, and what an answer may look like is llhttp's strict reading alone.
"""

import asyncio
from collections import deque
from typing import cast

import httptools

from guard.errors import UpstreamBroken, UpstreamFailed, UpstreamTimeout

RawHeaders = list[tuple[bytes, bytes]]

_MAX_HEAD_BYTES = 2**16
# Of an answer that its client reads slowly; the upstream waits.
_MOST_UNREAD_BYTES = 2**18
# The kernel takes a piece in about a tenth of a millisecond; others are served while the connection is full.
_PIECE_BYTES = 2**18
_WITHOUT_BODY = frozenset({204, 304})
_VERSIONS = frozenset({"1.0", "1.1"})


class Connection(asyncio.Protocol):
    """A connection that is made; `ask`, then `read` until None, then it may be asked again if `is_reusable`."""

    def __init__(self) -> None:
        self.uses = 0
        self.status = 0
        self.headers: RawHeaders = []
        self.has_sent = False  # any byte of the current request was written
        self.has_answered = False  # any byte of an answer to it came
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._is_lost = False
        self._is_tainted = False  # said something that nobody asked for, or must not be used again
        self._can_write: asyncio.Future[None] | None = None
        self._failure: UpstreamFailed | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._is_head = self._has_head = self._is_paused = False
        self._is_complete = True
        self._arriving: RawHeaders = []
        self._head_bytes = self._unread_bytes = 0
        self._unread: deque[bytes] = deque()
        self._silence_s = self._deadline = self._heard = 0.0

    @property
    def is_reusable(self) -> bool:
        """Whether another request may be sent: the last answer is complete, and both sides keep the connection."""
        return self._is_complete and not self._is_tainted and not self._is_lost and self._failure is None

    async def ask(self, head: bytes, body: bytes, *, is_head: bool, silence_s: float, deadline: float) -> None:
        """Send a request and return once the head of its answer is in `status` and `headers`.

        Args:
            head: request line and headers, with the empty line behind them.
            body: of the length that the head states.
            is_head: the answer has no body, whatever its head states.
            silence_s: the longest wait for the upstream, of which the wait for the head is one.
            deadline: of the whole answer, on the loop's clock.

        Raises:
            UpstreamTimeout, UpstreamBroken: no head in time, or none that is HTTP.
        """
        self._begin(is_head=is_head, silence_s=silence_s, deadline=deadline)
        try:
            if len(body) <= _PIECE_BYTES:
                self._write(head + body)
            else:
                await self._write_in_pieces(head, memoryview(body))
            while not self._has_head and self._failure is None:
                await self._wait()
        except BaseException:
            self.abort()
            raise
        if self._failure is not None and not self._has_head:
            raise self._failure

    async def read(self) -> bytes | None:
        """Return what came of the body since the last call, None at its end. Raises UpstreamTimeout, UpstreamBroken."""
        while not self._unread:
            if self._is_complete:
                return None
            if self._failure is not None:
                raise self._failure
            await self._wait()
        chunk = self._unread.popleft() if len(self._unread) == 1 else b"".join(self._unread)
        self._unread.clear()
        self._unread_bytes = 0
        self._heard = self._loop.time()
        if self._is_paused and self._transport is not None:
            self._is_paused = False
            self._transport.resume_reading()
        return chunk

    def abort(self) -> None:
        """Drop the connection, whatever is under way; idempotent."""
        self._is_tainted = True
        self._stop_timer()
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop, and by hand where TLS begins in a connection that there was."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transports are not subclasses

    def hand_over(self) -> asyncio.Transport:
        """Return the transport, whose next protocol is another one."""
        if self._transport is None:
            raise UpstreamBroken("the connection was closed")
        transport, self._transport = self._transport, None
        self._stop_timer()
        return transport

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        if self._is_complete:
            self.abort()  # an answer to nothing: whose would the next one be?
            return
        self.has_answered = True
        self._heard = self._loop.time()
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._is_tainted = True
            self._fail(UpstreamBroken("the upstream's answer is not HTTP"))
        if self._unread_bytes > _MOST_UNREAD_BYTES and not self._is_paused and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """Called by the loop: the upstream ends the connection."""
        self._is_tainted = True

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop."""
        self._is_lost = True
        if self._has_head and self._ends_with_connection and exc is None:
            self._complete()
        else:
            self._fail(UpstreamBroken("the upstream dropped the connection"))
        self.resume_writing()

    def pause_writing(self) -> None:
        """Called by the loop: its buffer is full."""
        self._can_write = self._loop.create_future()

    def resume_writing(self) -> None:
        """Called by the loop."""
        waiting, self._can_write = self._can_write, None
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    # Called by the parser.

    def on_message_begin(self) -> None:
        """A head begins: the first, the next behind an informational one, or one that nobody asked for."""
        if self._is_complete:
            self._is_tainted = True
        self._arriving = []
        self._head_bytes = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer, which nobody needs."""
        self._head_bytes += len(name) + len(value) + 4  # a colon, a blank, and the end of the line
        if self._head_bytes > _MAX_HEAD_BYTES:
            raise ValueError("the head is too long")  # httptools makes a parser error of it
        if not self._has_head:
            self._arriving.append((name, value))

    def on_headers_complete(self) -> None:
        """A head is there."""
        status = self._parser.get_status_code()
        if self._is_complete or (100 <= status < 200 and status != 101):
            return
        if self._parser.get_http_version() not in _VERSIONS:
            raise ValueError("not a version that is spoken here")
        self.status, self.headers = status, self._arriving
        self._has_head = True
        if self._is_head:
            # The parser does not know that there is no body, and waits for it.
            self._is_tainted = True
            self._complete()

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        if not self._is_complete:
            self._unread.append(body)
            self._unread_bytes += len(body)

    def on_message_complete(self) -> None:
        """The answer is whole, if it is not an informational one."""
        if self._has_head and not self._is_complete:
            self._is_tainted = self._is_tainted or not self._parser.should_keep_alive()
            self._complete()

    def _begin(self, *, is_head: bool, silence_s: float, deadline: float) -> None:
        if not self.is_reusable:
            raise UpstreamBroken("the upstream dropped the connection")
        self.uses += 1
        self.has_sent = self.has_answered = False
        self._parser = httptools.HttpResponseParser(self)
        self._is_head = is_head
        self._has_head = self._is_complete = self._is_paused = False
        self._silence_s = silence_s
        self._deadline = deadline
        self._heard = self._loop.time()
        self._timer = self._loop.call_at(min(self._heard + silence_s, deadline), self._tick)

    def _tick(self) -> None:
        """Fail where the upstream was silent for too long; what waits for a slow client is not its silence."""
        now = self._loop.time()
        if self._unread:
            self._heard = now
        end = min(self._heard + self._silence_s, self._deadline)
        if now < end:
            self._timer = self._loop.call_at(end, self._tick)
            return
        where = "stopped in the middle of its answer" if self._has_head else "did not answer in time"
        self._fail(UpstreamTimeout(f"the upstream {where}"))
        self.abort()

    def _write(self, data: bytes | memoryview) -> None:
        if self._transport is None or self._is_lost or self._transport.is_closing():
            raise UpstreamBroken("the upstream dropped the connection")
        self.has_sent = True
        self._transport.write(data)

    async def _write_in_pieces(self, head: bytes, body: memoryview) -> None:
        self._write(head)
        for start in range(0, len(body), _PIECE_BYTES):
            # An answer before the end of the request (413, 429) is the answer.
            if self._has_head or self._failure is not None:
                self._is_tainted = True
                return
            self._write(body[start : start + _PIECE_BYTES])
            if self._can_write is not None:
                await self._can_write
            self._heard = self._loop.time()

    @property
    def _ends_with_connection(self) -> bool:
        """Whether the answer's body has no other end: neither a length nor chunks say where it is."""
        names = {name.lower() for name, _ in self.headers}
        return not names & {b"content-length", b"transfer-encoding"} and self.status not in _WITHOUT_BODY

    def _complete(self) -> None:
        self._is_complete = True
        self._stop_timer()
        self._wake()

    def _fail(self, failure: UpstreamFailed) -> None:
        if not self._is_complete and self._failure is None:
            self._failure = failure
        self._stop_timer()
        self._wake()

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    async def _wait(self) -> None:
        self._waiter = self._loop.create_future()
        await self._waiter

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

"""uvicorn's HTTP protocol with what it lacks: a head must be complete in time, has a size, and may wish to upgrade."""

import asyncio
from collections.abc import Callable

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from guard.config import LimitSettings
from guard.errors import Overloaded
from guard.server.client import LEAVING, Leaving
from guard.server.gathering import Gathering
from guard.server.wire import error_answer

# What arrives in one read may hold the start of the body.
_READ_BYTES = 2**18
# Connections beyond `max_connections` that may ask for these pages, and nothing else: a Guard with much to do is alive,
# and whoever asks whether it is would end it, and every answer with it.
PAGES = frozenset({b"/healthz", b"/readyz", b"/metrics"})
_SPARE = 16
_SPARE_HEAD_S = 2.0


def bounded_protocol(limits: LimitSettings, on_refused: Callable[[], None]) -> type[HttpToolsProtocol]:
    """Return a protocol class that drops connections whose request heads are too slow, and refuses too large ones.

    Connections beyond `max_connections` are answered 503; `on_refused` is called for each. A few more are let in to ask
    for a page of `PAGES`, one each.

    A wish for another protocol (h2c, as Java's client and `curl --http2` utter it) is passed over, as RFC 9110 lets a
    server do, and the request is read to its end: httptools would stop after the head, and take the body for a request.
    """

    class BoundedProtocol(HttpToolsProtocol):
        _timer: asyncio.TimerHandle | None = None
        _is_in_head = True
        _received_bytes = 0  # since the head began
        _header_bytes = 0
        _wishes_upgrade = False
        _is_refused = False
        _is_spare = False
        _is_known = False  # to the server, which closes it in the end

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            beyond = len(self.connections) - limits.max_connections
            if beyond >= _SPARE:
                self._refuse(transport)
                return
            self._is_spare = beyond >= 0
            self._is_known = True
            self._leaving = Leaving()
            super().connection_made(Gathering(transport, self.loop))  # type: ignore[arg-type]
            self._begin_head()

        def connection_lost(self, exc: Exception | None) -> None:
            if self._is_known:
                self._end_head()
                super().connection_lost(exc)
                self._leaving.has_left()

        def data_received(self, data: bytes) -> None:
            if self._is_refused:
                return
            if self._is_in_head:
                self._received_bytes += len(data)
                if self._received_bytes > limits.max_head_bytes + _READ_BYTES:
                    self.send_400_response("Request head too large.")
                    return
            self._unset_keepalive_if_required()
            unread = memoryview(data)
            try:
                while unread:
                    unread = self._feed(unread)
            except httptools.HttpParserError:
                self.send_400_response("Invalid HTTP request received.")

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self.scope[LEAVING] = self._leaving  # type: ignore[literal-required]
            self._begin_head()

        def on_url(self, url: bytes) -> None:
            self._count(len(url))
            super().on_url(url)

        def on_header(self, name: bytes, value: bytes) -> None:
            self._count(len(name) + len(value))
            super().on_header(name, value)

        def on_headers_complete(self) -> None:
            self._end_head()
            self._wishes_upgrade = self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"
            if self._wishes_upgrade:
                return
            if self._is_spare and self.url.partition(b"?")[0] not in PAGES:
                self._refuse(self.transport)
                raise ValueError("too many connections")  # ends the parser
            super().on_headers_complete()
            if self._is_spare:
                self.cycle.keep_alive = False

        def on_message_complete(self) -> None:
            if self._wishes_upgrade:
                return
            super().on_message_complete()
            # A large body stopped it, and nobody who leaves is noticed while nothing is read.
            if not self.pipeline:
                self.flow.resume_reading()

        def send_400_response(self, msg: str) -> None:
            if not self._is_refused:  # else it has its answer
                super().send_400_response(msg)

        def _refuse(self, transport: asyncio.Transport) -> None:
            self._is_refused = True
            on_refused()
            transport.write(_TOO_MANY)
            transport.close()

        def _feed(self, data: memoryview) -> memoryview:
            """Feed the parser, and return what it left: the bytes behind a head that wished to upgrade."""
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                if not self._wishes_upgrade:
                    return data[len(data) :]
                head = self._head_without_upgrade()
                self.parser = httptools.HttpRequestParser(self)
                self.parser.feed_data(head)
                return data[upgrade.args[0] :]
            return data[len(data) :]

        def _head_without_upgrade(self) -> bytes:
            line = b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
            kept = [b"%s: %s" % header for header in self.headers if header[0] != b"upgrade"]
            return b"\r\n".join([line, *kept, b"", b""])

        def _begin_head(self) -> None:
            self._end_head()
            self._is_in_head = True
            self._received_bytes = self._header_bytes = 0
            limit_s = min(limits.head_timeout_s, _SPARE_HEAD_S) if self._is_spare else limits.head_timeout_s
            self._timer = self.loop.call_later(limit_s, self.transport.close)

        def _end_head(self) -> None:
            self._is_in_head = False
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

        def _count(self, size_bytes: int) -> None:
            self._header_bytes += size_bytes
            if self._header_bytes > limits.max_head_bytes:
                # httptools turns it into a parser error, which uvicorn answers with 400.
                raise ValueError("request head too large")

    return BoundedProtocol


def _raw_answer(code: str, message: str) -> bytes:
    answer = error_answer(code, message)
    headers = [(b"content-type", answer.content_type), (b"content-length", b"%d" % len(answer.body)), *answer.headers]
    lines = [b"HTTP/1.1 %d Service Unavailable" % answer.status, *(b"%s: %s" % header for header in headers)]
    return b"\r\n".join([*lines, b"connection: close", b"", answer.body])


_TOO_MANY = _raw_answer(Overloaded.code, "too many connections")

"""uvicorn's HTTP protocol with what it lacks: a head must be complete in time, and has a size."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from guard.config import LimitSettings

# What arrives in one read may hold the start of the body.
_READ_BYTES = 2**18


def bounded_protocol(limits: LimitSettings) -> type[HttpToolsProtocol]:
    """Return a protocol class that drops connections whose request heads are too slow, and refuses too large ones."""

    class BoundedProtocol(HttpToolsProtocol):
        _timer: asyncio.TimerHandle | None = None
        _is_in_head = True
        _received_bytes = 0  # since the head began
        _header_bytes = 0

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._begin_head()

        def connection_lost(self, exc: Exception | None) -> None:
            self._end_head()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self._is_in_head:
                self._received_bytes += len(data)
                if self._received_bytes > limits.max_head_bytes + _READ_BYTES:
                    self.send_400_response("Request head too large.")
                    return
            super().data_received(data)

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self._begin_head()

        def on_url(self, url: bytes) -> None:
            self._count(len(url))
            super().on_url(url)

        def on_header(self, name: bytes, value: bytes) -> None:
            self._count(len(name) + len(value))
            super().on_header(name, value)

        def on_headers_complete(self) -> None:
            self._end_head()
            super().on_headers_complete()

        def _begin_head(self) -> None:
            self._end_head()
            self._is_in_head = True
            self._received_bytes = self._header_bytes = 0
            self._timer = self.loop.call_later(limits.head_timeout_s, self.transport.close)

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

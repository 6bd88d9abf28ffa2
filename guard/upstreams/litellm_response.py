"""Answers of litellm's as answers of an upstream: whole, or as a stream of events."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from guard.core.events import DONE, write_event
from guard.errors import UpstreamBroken, UpstreamTimeout
from guard.upstreams import litellm_answer as shape
from guard.upstreams.litellm_failures import failure

_MOST_READ_AHEAD = 1000
_JSON, _EVENTS = "application/json", "text/event-stream"


class LitellmResponse:
    """An `UpstreamResponse` made of litellm's answer."""

    __slots__ = ("_body", "headers", "status")

    def __init__(self, status: int, body: "bytes | Stream", *, more: Sequence[tuple[str, str]] = ()) -> None:
        self.status = status
        self._body = body
        kind = _JSON if isinstance(body, bytes) else _EVENTS
        length = [("content-length", str(len(body)))] if isinstance(body, bytes) else [("cache-control", "no-cache")]
        self.headers: Sequence[tuple[str, str]] = [("content-type", kind), *length, *more]

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes. Raises UpstreamBroken, UpstreamTimeout."""
        if isinstance(self._body, bytes):
            yield self._body
            return
        async for event in self._body.events():
            yield event

    async def close(self) -> None:
        """Drop the provider's connection if the body was not read to its end; idempotent."""
        if not isinstance(self._body, bytes):
            await self._body.close()


class Stream:
    """A stream of litellm's as events, its first chunk read ahead: with it, the provider has agreed to answer."""

    def __init__(self, chunks: Any, model: str, deadline: float, silence_s: float) -> None:
        self._chunks = chunks
        self._model = model
        self._deadline = deadline
        self._silence_s = silence_s
        self._first: bytes | None = None
        self._is_over = False  # at its end, or broken off: litellm gave up the connection

    async def begin(self) -> None:
        """Read the first chunk. Raises what litellm raises; the connection is then dropped."""
        try:
            self._first = await self._next()
        except BaseException:
            await self.close()
            raise

    async def events(self) -> AsyncIterator[bytes]:
        """Yield every event. Raises UpstreamBroken, UpstreamTimeout."""
        event = self._first
        while event is not None:
            yield event
            event = await self._next_in_time()
        yield write_event(DONE)

    async def close(self) -> None:
        """Drop the provider's connection if the stream is not at its end; idempotent.

        Not every stream of litellm's has a way to be closed. What always drops the connection is a read that is
        cancelled while it waits for the network; what has come already is read first.
        """
        for _ in range(_MOST_READ_AHEAD):
            if self._is_over:
                break
            reading = asyncio.ensure_future(self._next())
            await asyncio.sleep(0)
            is_waiting = not reading.done()
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            self._is_over = self._is_over or is_waiting
        await self._chunks.aclose()

    async def _next(self) -> bytes | None:
        try:
            chunk = await anext(self._chunks)
        except StopAsyncIteration:
            self._is_over = True
            return None
        except BaseException:
            self._is_over = True
            raise
        return shape.chunk(chunk.model_dump(exclude_none=True, exclude_unset=True), self._model)

    async def _next_in_time(self) -> bytes | None:
        limit = min(asyncio.get_running_loop().time() + self._silence_s, self._deadline)
        try:
            async with asyncio.timeout_at(limit):
                return await self._next()
        except TimeoutError as error:
            raise UpstreamTimeout("the provider stopped in the middle of its answer") from error
        except Exception as error:  # translating what a provider says, litellm raises whatever it meets
            why = failure(error)
            if isinstance(why, UpstreamTimeout):
                raise why from error
            raise UpstreamBroken("the provider broke off in the middle of its answer") from error

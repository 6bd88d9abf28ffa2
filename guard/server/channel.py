"""Calls in both directions between the process that supervises and one that serves, over a socket of their own."""

import asyncio
import itertools
import logging
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import orjson

from guard.errors import GuardError

_log = logging.getLogger("guard.server")

# One line of JSON a message; the longest are all figures of a worker.
_MOST_LINE_BYTES = 2**25

Handlers: TypeAlias = Mapping[str, Callable[[Mapping[str, Any]], Awaitable[object]]]


class ChannelClosed(Exception):
    """The process on the other side is gone, or does not answer in time."""


async def open_streams(end: socket.socket) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return one end of a socket pair as streams, for a `Peer`."""
    return await asyncio.open_unix_connection(sock=end, limit=_MOST_LINE_BYTES)


class Peer:
    """One end of a channel.

    Args:
        handlers: what the other side may call, by name. A `GuardError` travels back with its code and message, any
            other error as a `GuardError` that names its type.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handlers: Handlers) -> None:
        self._reader = reader
        self._writer = writer
        self._handlers = handlers
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._answering: set[asyncio.Task[None]] = set()
        self._is_closed = False

    async def run(self) -> None:
        """Serve the channel until the other side is gone."""
        try:
            while line := await self._reader.readline():
                self._take(orjson.loads(line))
        except (OSError, ValueError) as error:  # ValueError: a line without end, or no JSON
            _log.error("a channel between workers broke: %s", type(error).__name__)
        finally:
            self._is_closed = True
            self._writer.close()
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(ChannelClosed("the other process is gone"))

    async def call(self, name: str, *, timeout_s: float, **said: object) -> Any:
        """Return what the other side answers.

        Raises:
            ChannelClosed: it is gone, or does not answer in time.
            GuardError: of the class that its answer names.
        """
        if self._is_closed:
            raise ChannelClosed("the other process is gone")
        number = next(self._numbers)
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            self._send({"id": number, "call": name, "said": said})
            async with asyncio.timeout(timeout_s):
                return await future
        except TimeoutError as error:
            raise ChannelClosed(f"no answer to {name} within {timeout_s:g} s") from error
        finally:
            del self._waiting[number]

    def _take(self, message: dict[str, Any]) -> None:
        if "call" in message:
            answering = asyncio.create_task(self._answer(message))
            self._answering.add(answering)
            answering.add_done_callback(self._answering.discard)
            return
        future = self._waiting.get(message["id"])
        if future is None or future.done():
            return
        if "error" in message:
            future.set_exception(error_of(*message["error"]))
        else:
            future.set_result(message["answer"])

    async def _answer(self, message: dict[str, Any]) -> None:
        try:
            answer: dict[str, object] = {"answer": await self._handlers[message["call"]](message["said"])}
        except ChannelClosed as error:
            answer = {"error": [GuardError.code, str(error)]}
        except GuardError as error:
            answer = {"error": [error.code, str(error)]}
        except Exception as error:  # noqa: BLE001 - who gets no answer waits for minutes, with the turn of every change
            _log.exception("%s failed", message["call"])
            answer = {"error": [GuardError.code, f"{message['call']} failed: {type(error).__name__}"]}
        if not self._is_closed:
            self._send({"id": message["id"], **answer})

    def _send(self, message: dict[str, object]) -> None:
        self._writer.write(orjson.dumps(message) + b"\n")


def error_of(code: str, message: str) -> GuardError:
    """Return the error of a code."""
    waiting: list[type[GuardError]] = [GuardError]
    while waiting:
        kind = waiting.pop()
        if kind.code == code:
            return kind(message)
        waiting += kind.__subclasses__()
    return GuardError(message)

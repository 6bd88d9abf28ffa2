"""Work for a client ends when the client leaves."""

import asyncio
from collections.abc import Callable
from types import TracebackType

from guard.server.body import ClientLeft
from guard.server.exchange import Exchange

# In the scope of a request that came over `guard.server.protocol`: its connection's `Leaving`.
LEAVING = "guard.leaving"


class Leaving:
    """Says when a connection was closed, to the one request that is being answered on it."""

    __slots__ = ("_has_left", "_tell")

    def __init__(self) -> None:
        self._has_left = False
        self._tell: Callable[[], None] | None = None

    def ask(self, tell: Callable[[], None] | None) -> None:
        """Have a function called once the client has left, at once if it has; None: nobody asks any more."""
        self._tell = tell
        if tell is not None and self._has_left:
            tell()

    def has_left(self) -> None:
        """Say that the connection is closed."""
        self._has_left = True
        if self._tell is not None:
            self._tell()


class until_client_leaves:  # noqa: N801 - read as a verb, as those of contextlib
    """Cancel the block when the client closes the connection before its answer is finished. It raises ClientLeft.

    The body must have been read: what is received inside the block is thrown away.
    """

    __slots__ = ("_exchange", "_has_left", "_leaving", "_task", "_watcher")

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._leaving: Leaving | None = exchange.scope.get(LEAVING)
        self._has_left = False
        self._task: asyncio.Task[object] | None = None
        self._watcher: asyncio.Task[None] | None = None

    async def __aenter__(self) -> None:
        self._task = asyncio.current_task()
        if self._task is None:
            raise RuntimeError("requests are served in a task")
        if self._leaving is None:  # another server's protocol: ASGI says it to whoever waits for it
            self._watcher = asyncio.create_task(self._watch())
        else:
            self._leaving.ask(self._note)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._watcher is not None:
            self._watcher.cancel()
        elif self._leaving is not None:
            self._leaving.ask(None)
        # Also cancelled from elsewhere, by a shutdown: that one goes on.
        if self._has_left and isinstance(error, asyncio.CancelledError) and self._task and not self._task.uncancel():
            raise ClientLeft from None

    async def _watch(self) -> None:
        while (await self._exchange.receive())["type"] != "http.disconnect":
            pass
        self._note()

    def _note(self) -> None:
        # It is said, too, when the answer is complete.
        if not self._exchange.is_finished and self._task is not None:
            self._has_left = True
            self._task.cancel()

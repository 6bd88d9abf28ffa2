"""Work for a client ends when the client leaves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from guard.server.body import ClientLeft
from guard.server.exchange import Exchange


@asynccontextmanager
async def until_client_leaves(exchange: Exchange) -> AsyncIterator[None]:
    """Cancel the block when the client closes the connection before its answer is finished. Raises ClientLeft.

    The body must have been read: what is received inside the block is thrown away.
    """
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("requests are served in a task")
    has_left = False

    async def watch() -> None:
        nonlocal has_left
        while (await exchange.receive())["type"] != "http.disconnect":
            pass
        # ASGI says so too when the answer is complete.
        if not exchange.is_finished:
            has_left = True
            task.cancel()

    watcher = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        # Also cancelled from elsewhere, by a shutdown: that one goes on.
        if not has_left or task.uncancel():
            raise
        raise ClientLeft from None
    finally:
        watcher.cancel()

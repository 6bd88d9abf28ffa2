"""An API made of raw sockets: it can be wrong in ways that no HTTP server would be."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def raw_api(handler: Handler, *, tls: ssl.SSLContext | None = None, port: int = 0) -> AsyncIterator[str]:
    """Serve every connection with `handler` and close it after; yields the base URL, of localhost under `tls`."""
    open_connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_connections[task] = writer
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await handler(reader, writer)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        del open_connections[task]

    server = await asyncio.start_server(serve, "127.0.0.1", port, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}" if tls is None else f"https://localhost:{port}"
    finally:
        # A connection that was accepted a moment ago takes some turns to get here, and would outlive the loop.
        for _ in range(20):
            await asyncio.sleep(0)
        server.close()
        remaining = dict(open_connections)
        for writer in remaining.values():
            writer.transport.abort()
        await asyncio.gather(*remaining)


async def read_request(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    """Return head and body of one request."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    length = [line.partition(":")[2] for line in head.splitlines() if line.lower().startswith("content-length:")]
    return head, await reader.readexactly(int(length[0])) if length else b""


def answers(response: bytes) -> Handler:
    """Answer every request of a connection with the same bytes."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            writer.write(response)
            await writer.drain()

    return handler


def answers_then_hangs_up(response: bytes) -> Handler:
    """Answer one request with these bytes and drop the connection."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(response)
        await writer.drain()

    return handler


def remembering(heads: list[str], response: bytes) -> Handler:
    """Answer every request with the same bytes, and keep its head."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            heads.append((await read_request(reader))[0])
            writer.write(response)
            await writer.drain()

    return handler


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read for ever, say nothing."""
    await reader.read(-1)

"""The wire between Guard and the LLM API: it carries bytes, resets connections, or carries nothing for a while."""

import asyncio
import itertools
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tests.soak.faults import Fault

_CHUNK_BYTES = 65_536
# A connection is reset after so many bytes of answers: before a head, in its middle, in a body, in a stream.
_RESET_AFTER = (0, 20, 300, 900)


class Link:
    """Carries connections to `port`."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._resets = itertools.cycle(_RESET_AFTER)
        self._fault = Fault.NONE
        self._flows = asyncio.Event()

    def suffer(self, fault: Fault) -> None:
        """Begin with a fault, or end all of them."""
        self._fault = fault
        if fault is Fault.UPSTREAM_STALLS:
            self._flows.clear()
        else:
            self._flows.set()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[int]:
        """Carry while the block runs; yields the port to connect to."""
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
            ways = [
                asyncio.create_task(self._copy(reader, far_writer)),
                asyncio.create_task(self._copy_back(far_reader, writer)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                far_writer.close()
        writer.close()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(_CHUNK_BYTES):
                writer.write(data)
                await writer.drain()

    async def _copy_back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(_CHUNK_BYTES):
                await self._flows.wait()
                if self._fault is Fault.UPSTREAM_RESETS:
                    writer.write(data[: next(self._resets)])
                    await writer.drain()
                    _reset(writer)
                    return
                writer.write(data)
                await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    wire: socket.socket = writer.get_extra_info("socket")
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()

"""A worker process as its supervisor sees it: started on a bound socket, talked to, ended."""

import asyncio
import os
import socket
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson

import guard
from guard.config import Settings
from guard.errors import GuardError
from guard.server.channel import Handlers, Peer, error_of, open_streams
from guard.server.figures import Snapshot

_START_S = 300.0
_ENDED = "a worker ended while it started; its log says why"


class WorkerProcess:
    """A worker process, from its first line on.

    Args:
        hello: that line: what it judges by.
    """

    def __init__(self, process: asyncio.subprocess.Process, peer: Peer, hello: Mapping[str, Any]) -> None:
        self.process = process
        self.peer = peer
        self.listening = asyncio.create_task(peer.run())
        self.hello = hello
        self.digest = str(hello["digest"])
        self.figures: Snapshot = []

    def kill(self) -> None:
        """End it at once; nothing where it has ended."""
        kill(self.process)


async def start_worker(settings: Settings, bound: socket.socket, handlers: Handlers, *, place: int) -> WorkerProcess:
    """Return a worker that serves.

    Args:
        settings: what it serves by.
        bound: the socket that it serves on.
        handlers: what it may call.
        place: which of the workers it is.

    Raises:
        GuardError: it cannot, and has ended.
    """
    try:
        ours, theirs = socket.socketpair()
        with theirs, ExitStack() as undo:
            undo.callback(ours.close)
            process = await _spawn(bound, theirs, place)
            undo.callback(kill, process)
            reader, writer = await open_streams(ours)
            undo.pop_all()
    except OSError as error:
        raise GuardError(f"a worker could not be started: {error.strerror}") from error
    try:
        async with asyncio.timeout(_START_S):
            writer.write(orjson.dumps(settings.model_dump(mode="json")) + b"\n")
            hello = _read_hello(await reader.readline())
    except BaseException as error:
        writer.close()
        kill(process)
        await process.wait()
        if isinstance(error, TimeoutError):
            raise GuardError(f"a worker did not start within {_START_S:g} s") from error
        # It ended before it read its settings, or in the middle of its first line.
        if isinstance(error, OSError | ValueError):
            raise GuardError(_ENDED) from error
        raise
    return WorkerProcess(process, Peer(reader, writer, handlers), hello)


def kill(process: asyncio.subprocess.Process) -> None:
    """End a process at once; nothing where it has ended."""
    if process.returncode is None:
        process.kill()


async def _spawn(bound: socket.socket, end: socket.socket, place: int) -> asyncio.subprocess.Process:
    """Return a process that finds the socket and its end of the channel open. Raises OSError."""
    fds = (bound.fileno(), end.fileno())
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "guard.server.worker", *map(str, fds), str(place)),
        pass_fds=fds,
        env=os.environ | {"PYTHONPATH": _with_guard(os.environ.get("PYTHONPATH", ""))},
    )


def _read_hello(line: bytes) -> dict[str, Any]:
    if not line:
        raise GuardError(_ENDED)
    hello: dict[str, Any] = orjson.loads(line)
    if "failed" in hello:
        raise error_of(*hello["failed"])
    return hello


def _with_guard(path: str) -> str:
    """Return a search path on which the workers find this very Guard."""
    home = str(Path(guard.__file__).parents[1])
    return os.pathsep.join([home, path]) if path else home

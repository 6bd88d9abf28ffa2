"""One of several workers: serves on a socket that it was given, and takes every step of a change when it is told to."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Mapping
from typing import Any

import orjson

from guard.config import parse_settings
from guard.errors import GuardError, SupervisorLost
from guard.server.changes import Changes
from guard.server.channel import ChannelClosed, Peer, open_streams
from guard.server.control import WorkerState
from guard.server.figures import page_of, snapshot_of
from guard.server.live import Live

# Longer than the supervisor gives each step, so that its answer, and not this silence, is the reason of a refusal.
_CHANGE_S = 900.0
_ASK_S = 5.0


class Together:
    """Control over every worker, by way of the process that supervises them."""

    def __init__(self, changes: Changes, live: Live, end: socket.socket, *, place: int) -> None:
        self.place = place
        self._changes = changes
        self._live = live
        self._end = end
        self._peer: Peer | None = None
        self._handlers = {
            "ping": self._ping,
            "prepare": self._prepare,
            "commit": self._commit,
            "settle": self._settle,
            "revert": self._revert,
            "figures": self._figures,
        }

    async def swap(self, bundle: str, *, digest: str | None = None) -> str:
        """Open another bundle in every worker."""
        return str(await self._ask("swap", _CHANGE_S, bundle=bundle, digest=digest))

    async def workers(self) -> list[WorkerState]:
        """Return what every worker serves."""
        return [WorkerState(**worker) for worker in await self._ask("workers", _ASK_S)]

    async def metrics(self, accept: str) -> tuple[bytes, str]:
        """Return the figures of all workers together."""
        return page_of(await self._ask("figures", _ASK_S), accept)

    async def serve(self) -> None:
        """Do what the supervisor says, and end the process when that is gone."""
        reader, writer = await open_streams(self._end)
        self._peer = Peer(reader, writer, self._handlers)
        await self._peer.run()
        os.kill(os.getpid(), signal.SIGTERM)

    async def _ask(self, name: str, timeout_s: float, **said: object) -> Any:
        if self._peer is None:
            raise SupervisorLost("this worker has only just begun")
        try:
            return await self._peer.call(name, timeout_s=timeout_s, **said)
        except ChannelClosed as error:
            raise SupervisorLost(f"the process that supervises the workers does not answer: {error}") from error

    async def _ping(self, said: Mapping[str, Any]) -> None:
        pass

    async def _prepare(self, said: Mapping[str, Any]) -> str:
        settings = parse_settings(said["settings"], source="supervisor")
        return await self._changes.prepare(settings, reopens=said["reopens"], digest=said["digest"])

    async def _commit(self, said: Mapping[str, Any]) -> str:
        self._changes.commit()
        return self._live.current.guard.bundle.digest

    async def _settle(self, said: Mapping[str, Any]) -> None:
        self._changes.settle()

    async def _revert(self, said: Mapping[str, Any]) -> None:
        self._changes.revert()

    async def _figures(self, said: Mapping[str, Any]) -> object:
        return snapshot_of(self._live.current.guard.telemetry.collect())


def main() -> None:
    """Serve as a worker: the command line names the file descriptors of socket and channel, and the worker's place."""
    from guard.server.app import create_app
    from guard.server.logs import start_logging
    from guard.server.run import serve

    bound, end = (socket.socket(fileno=int(number)) for number in sys.argv[1:3])
    place = int(sys.argv[3])
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # it is for the supervisor
    try:
        settings = parse_settings(orjson.loads(_read_line(end)), source="supervisor")
        start_logging(access=settings.access_log)
        app = create_app(settings, control=lambda changes, live: Together(changes, live, end, place=place))
    except GuardError as error:
        end.sendall(orjson.dumps({"failed": [error.code, str(error)]}) + b"\n")
        raise SystemExit(2) from None
    guard = app.state.live.current.guard
    hello = {
        "policy": guard.policy.name,
        "threshold": guard.policy.threshold,
        "bundle": guard.bundle.label,
        "digest": guard.bundle.digest,
    }

    def begin() -> None:
        end.sendall(orjson.dumps(hello) + b"\n")
        app.state.serving = asyncio.get_running_loop().create_task(app.state.control.serve())

    serve(app, settings, bound, begin)


def _read_line(end: socket.socket) -> bytes:
    """Return the first line of the channel, and nothing behind it: the supervisor waits for an answer to it."""
    parts: list[bytes] = []
    while not parts or not parts[-1].endswith(b"\n"):
        part = end.recv(65_536)
        if not part:
            raise SystemExit(0)
        parts.append(part)
    return b"".join(parts)


if __name__ == "__main__":
    main()

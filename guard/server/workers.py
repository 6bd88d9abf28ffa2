"""The process that supervises workers on one socket: starts them, restarts those that die, changes them together.

A change is taken by all or by none: each worker prepares it, then each commits, and what was before is given up only
when every one of them serves the new bundle. A worker that fails in between has the others go back, and one that does
not even do that is ended and started anew with what was before.
"""

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson

import guard
from guard.config import Settings
from guard.errors import GuardError, SwapRefused
from guard.server.channel import ChannelClosed, Peer, error_of, open_streams
from guard.server.figures import Snapshot, add_up, lasting
from guard.server.reload import Reload, with_reloaded
from guard.server.run import on_hangup

_log = logging.getLogger("guard.server")

_PREPARE_S, _STEP_S, _FIGURES_S, _START_S = 600.0, 20.0, 2.0, 300.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _LIVED_WELL_S = 0.5, 30.0, 60.0
_ENDED = "a worker ended while it started; its log says why"
# What a worker needs beyond its drain to end.
_END_S = 5.0


class _Worker:
    """A worker process, from its first line on."""

    def __init__(self, process: asyncio.subprocess.Process, peer: Peer, hello: Mapping[str, Any]) -> None:
        self.process = process
        self.peer = peer
        self.listening = asyncio.create_task(peer.run())
        self.hello = hello
        self.digest = str(hello["digest"])
        self.figures: Snapshot = []


class Supervisor:
    """Keeps the workers of the settings serving on a bound socket.

    Args:
        on_ready: called with the first worker's greeting once all serve.
        reload: reads the configuration anew, on SIGHUP.
    """

    def __init__(
        self,
        settings: Settings,
        bound: socket.socket,
        *,
        on_ready: Callable[[Mapping[str, Any]], None],
        reload: Reload,
    ) -> None:
        self.settings = settings
        self._bound = bound
        self._count = settings.workers
        self._on_ready = on_ready
        self._reload = reload
        self._workers: dict[int, _Worker] = {}  # by place
        self._lost: Snapshot = []
        self._turn = asyncio.Lock()
        self._is_ending = asyncio.Event()

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT. Raises GuardError: a worker could not start."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._is_ending.set)
        on_hangup(lambda: self._reload(self.reload))
        tasks: list[asyncio.Task[Any]] = []
        try:
            started = await asyncio.gather(*(self._start() for _ in range(self._count)), return_exceptions=True)
            self._workers = {place: one for place, one in enumerate(started) if isinstance(one, _Worker)}
            failed = [one for one in started if isinstance(one, BaseException)]
            if failed:
                raise failed[0]
            self._on_ready(self._workers[0].hello)
            tasks = [asyncio.create_task(self._keep(place)) for place in range(self._count)]
            tasks.append(asyncio.create_task(self._is_ending.wait()))
            # A keeper never returns: one that failed would leave its place empty for good, and every change refused.
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
        finally:
            self._is_ending.set()
            for task in tasks:
                task.cancel()
            await self._end_all()

    async def swap(self, bundle: str, *, digest: str | None = None) -> str:
        """Open another bundle in every worker, and return the digest that all of them serve.

        Raises SwapRefused: at least one cannot, and all serve what they served before.
        """
        return await self._apply(lambda now: now.model_copy(update={"bundle": bundle}), reopens=True, digest=digest)

    async def reload(self, read: Settings) -> str:
        """Have every worker judge by what a reload changes, and return the digest of the bundle that all serve.

        Raises SwapRefused: at least one cannot, and all judge as before.
        """
        return await self._apply(lambda now: with_reloaded(now, read), reopens=False)

    async def _apply(self, change: Callable[[Settings], Settings], *, reopens: bool, digest: str | None = None) -> str:
        async with self._turn:
            # Within the turn: settings of before it would undo the change that was waited for.
            settings = change(self.settings)
            workers = list(self._workers.values())
            if len(workers) < self._count:
                raise SwapRefused(f"{self._count - len(workers)} of {self._count} workers are being started; try again")
            given = settings.model_dump(mode="json")
            try:
                await self._agreed(
                    workers, "prepare", timeout_s=_PREPARE_S, settings=given, reopens=reopens, digest=digest
                )
                found = await self._agreed(workers, "commit", timeout_s=_STEP_S)
            except GuardError as error:
                await self._go_back(workers)
                raise SwapRefused(str(error)) from error
            self.settings = settings
            for worker in workers:
                worker.digest = found
            await self._tell(workers, "settle")
            return found

    async def figures(self) -> Snapshot:
        """Return the figures of all workers, with what was counted by those that died."""

        async def ask(worker: _Worker) -> None:
            try:
                worker.figures = await worker.peer.call("figures", timeout_s=_FIGURES_S)
            except ChannelClosed:
                _log.warning("worker %d does not tell its figures; the last ones are shown", worker.process.pid)

        workers = list(self._workers.values())
        await asyncio.gather(*map(ask, workers))
        return add_up([self._lost, *(worker.figures for worker in workers)])

    async def _agreed(self, workers: Sequence[_Worker], step: str, *, timeout_s: float, **said: object) -> str:
        """Return the digest that every worker answers to a step. Raises GuardError: the first reason against it."""
        answers = await asyncio.gather(
            *(worker.peer.call(step, timeout_s=timeout_s, **said) for worker in workers), return_exceptions=True
        )
        for answer in answers:
            if isinstance(answer, GuardError):
                raise answer
            if isinstance(answer, BaseException):
                raise SwapRefused(f"a worker did not take part ({step})") from answer
        if len(set(answers)) > 1:
            raise SwapRefused("the bundle changed while the workers opened it")
        return str(answers[0])

    async def _go_back(self, workers: Sequence[_Worker]) -> None:
        for worker in await self._tell(workers, "revert"):
            _log.error("worker %d does not go back: it is started anew", worker.process.pid)
            _kill(worker.process)

    async def _tell(self, workers: Sequence[_Worker], step: str) -> list[_Worker]:
        """Have every worker take a step, and return those that did not."""
        answers = await asyncio.gather(
            *(worker.peer.call(step, timeout_s=_STEP_S) for worker in workers), return_exceptions=True
        )
        pairs = zip(workers, answers, strict=True)
        return [worker for worker, answer in pairs if isinstance(answer, BaseException)]

    async def _keep(self, place: int) -> None:
        """Start a worker anew whenever it dies, later and later when it dies soon."""
        loop = asyncio.get_running_loop()
        pause_s = _FIRST_PAUSE_S
        while True:
            began = loop.time()
            worker = self._workers.get(place)
            if worker is not None:
                code = await worker.process.wait()
                _log.error("worker %d ended with %d: it is started anew", worker.process.pid, code)
                del self._workers[place]
                self._lost = add_up([self._lost, lasting(worker.figures)])
            pause_s = _FIRST_PAUSE_S if loop.time() - began > _LIVED_WELL_S else min(2 * pause_s, _LONGEST_PAUSE_S)
            await asyncio.sleep(pause_s)
            # Between changes: else it could start with what all others have given up.
            async with self._turn:
                try:
                    self._workers[place] = await self._start()
                except GuardError as error:
                    _log.error("a worker could not start: %s: %s", error.code, error)

    async def _start(self) -> _Worker:
        """Return a worker that serves. Raises GuardError: it cannot, and has ended."""
        try:
            ours, theirs = socket.socketpair()
            with theirs, ExitStack() as undo:
                undo.callback(ours.close)
                process = await self._spawn(theirs)
                undo.callback(_kill, process)
                reader, writer = await open_streams(ours)
                undo.pop_all()
        except OSError as error:
            raise GuardError(f"a worker could not be started: {error.strerror}") from error
        try:
            async with asyncio.timeout(_START_S):
                writer.write(orjson.dumps(self.settings.model_dump(mode="json")) + b"\n")
                hello = _read_hello(await reader.readline())
        except BaseException as error:
            writer.close()
            _kill(process)
            await process.wait()
            if isinstance(error, TimeoutError):
                raise GuardError(f"a worker did not start within {_START_S:g} s") from error
            # It ended before it read its settings, or in the middle of its first line.
            if isinstance(error, OSError | ValueError):
                raise GuardError(_ENDED) from error
            raise
        peer = Peer(reader, writer, {"swap": self._on_swap, "workers": self._on_workers, "figures": self._on_figures})
        return _Worker(process, peer, hello)

    async def _spawn(self, end: socket.socket) -> asyncio.subprocess.Process:
        """Return a process that finds the socket and its end of the channel open. Raises OSError."""
        fds = (self._bound.fileno(), end.fileno())
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "guard.server.worker", *map(str, fds)),
            pass_fds=fds,
            env=os.environ | {"PYTHONPATH": _with_guard(os.environ.get("PYTHONPATH", ""))},
        )

    async def _end_all(self) -> None:
        limits = self.settings.limits
        processes = [worker.process for worker in self._workers.values()]
        for process in processes:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
        ended = asyncio.gather(*(process.wait() for process in processes))
        try:
            await asyncio.wait_for(ended, limits.drain_delay_s + limits.drain_timeout_s + _END_S)
        except TimeoutError:
            for process in processes:
                _kill(process)

    async def _on_swap(self, said: Mapping[str, Any]) -> str:
        return await self.swap(said["bundle"], digest=said["digest"])

    async def _on_workers(self, said: Mapping[str, Any]) -> object:
        return [{"pid": worker.process.pid, "digest": worker.digest} for worker in self._workers.values()]

    async def _on_figures(self, said: Mapping[str, Any]) -> object:
        return await self.figures()


def _read_hello(line: bytes) -> dict[str, Any]:
    if not line:
        raise GuardError(_ENDED)
    hello: dict[str, Any] = orjson.loads(line)
    if "failed" in hello:
        raise error_of(*hello["failed"])
    return hello


def _kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()


def _with_guard(path: str) -> str:
    """Return a search path on which the workers find this very Guard."""
    home = str(Path(guard.__file__).parents[1])
    return os.pathsep.join([home, path]) if path else home

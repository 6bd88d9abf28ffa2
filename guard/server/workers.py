"""The process that supervises workers on one socket: starts them, restarts those that die, changes them together.

A change is taken by all or by none: each worker prepares it, then each commits, and what was before is given up only
when every one of them serves the new bundle. A worker that fails in between has the others go back, and one that does
not even do that is ended and started anew with what was before.
"""

import asyncio
import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from guard.config import Settings
from guard.errors import GuardError, SwapRefused
from guard.server.channel import ChannelClosed
from guard.server.figures import Snapshot, add_up, lasting
from guard.server.reload import Reload, with_reloaded
from guard.server.run import Hangups, on_hangup
from guard.server.spawning import WorkerProcess, start_worker
from guard.server.steps import agree, go_back, tell

_log = logging.getLogger("guard.server")

# How long a change waits for its turn, and each worker for these steps. A worker waits longer (`guard.server.worker`).
_TURN_S, _PING_S, _PREPARE_S = 120.0, 5.0, 600.0
_FIGURES_S = 1.0
# How often each worker is asked for its figures, and after how long a silence it is ended.
_WATCH_S, _SILENT_S = 1.0, 60.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _LIVED_WELL_S = 0.5, 30.0, 60.0
# What a worker needs beyond its drain to end.
_END_S = 5.0


class Supervisor:
    """Keeps the workers of the settings serving on a bound socket.

    Args:
        on_ready: called with the first worker's greeting once all serve.
        reload: reads the configuration anew, on SIGHUP.
        hangups: whether SIGHUP came before this process could heed it.
    """

    def __init__(
        self,
        settings: Settings,
        bound: socket.socket,
        *,
        on_ready: Callable[[Mapping[str, Any]], None],
        reload: Reload,
        hangups: Hangups | None = None,
    ) -> None:
        self.settings = settings
        self._bound = bound
        self._count = settings.workers
        self._on_ready = on_ready
        self._reload = reload
        self._hangups = hangups
        self._workers: dict[int, WorkerProcess] = {}  # by place
        self._lost: Snapshot = []
        self._turn = asyncio.Lock()
        self._is_ending = asyncio.Event()

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT. Raises GuardError: a worker could not start."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._is_ending.set)
        tasks: list[asyncio.Task[Any]] = [asyncio.create_task(self._is_ending.wait())]
        try:
            if not await self._start_all(tasks[0]):
                return
            on_hangup(lambda: self._reload(self.reload), before=self._hangups)
            self._on_ready(self._workers[0].hello)
            tasks += [asyncio.create_task(self._keep(place)) for place in range(self._count)]
            # A keeper never returns: one that failed would leave its place empty for good, and every change refused.
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
        finally:
            self._is_ending.set()
            for task in tasks:
                task.cancel()
            await self._end_all()

    async def _start_all(self, ending: "asyncio.Task[Any]") -> bool:
        """Start every worker; return whether all serve, and not that Guard was told to end first. Raises GuardError."""
        starting = [asyncio.create_task(self._start(place)) for place in range(self._count)]
        waiting = asyncio.gather(*starting, return_exceptions=True)
        await asyncio.wait({waiting, ending}, return_when=asyncio.FIRST_COMPLETED)
        is_ending = not waiting.done()
        if is_ending:
            waiting.cancel()
            await asyncio.wait(starting)
        serving = [task.result() for task in starting if not task.cancelled() and task.exception() is None]
        self._workers = dict(enumerate(serving))
        if is_ending:
            return False
        for task in starting:
            task.result()
        return True

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
        async with self._in_turn():
            # Within the turn: settings of before it would undo the change that was waited for.
            settings = change(self.settings)
            workers = list(self._workers.values())
            if len(workers) < self._count:
                raise SwapRefused(f"{self._count - len(workers)} of {self._count} workers are being started; try again")
            silent = await tell(workers, "ping", timeout_s=_PING_S)
            if silent:
                pids = ", ".join(str(worker.process.pid) for worker in silent)
                raise SwapRefused(f"worker {pids} does not answer within {_PING_S:g} s")
            given = settings.model_dump(mode="json")
            try:
                await agree(workers, "prepare", timeout_s=_PREPARE_S, settings=given, reopens=reopens, digest=digest)
                found = await agree(workers, "commit")
            except GuardError as error:
                await go_back(workers)
                raise SwapRefused(str(error)) from error
            self.settings = settings
            for worker in workers:
                worker.digest = found
            await tell(workers, "settle")
            return found

    async def figures(self) -> Snapshot:
        """Return the figures of all workers, with what was counted by those that died."""

        async def ask(worker: WorkerProcess) -> None:
            try:
                worker.figures = await worker.peer.call("figures", timeout_s=_FIGURES_S)
            except ChannelClosed:
                _log.warning("worker %d does not tell its figures; the last ones are shown", worker.process.pid)

        workers = list(self._workers.values())
        await asyncio.gather(*map(ask, workers))
        return add_up([self._lost, *(worker.figures for worker in workers)])

    @asynccontextmanager
    async def _in_turn(self) -> AsyncIterator[None]:
        """Make one change at a time; whoever asks for one gets its outcome, rather than this wait's end."""
        try:
            async with asyncio.timeout(_TURN_S):
                await self._turn.acquire()
        except TimeoutError as error:
            raise SwapRefused("another change has been under way for long; try again") from error
        try:
            yield
        finally:
            self._turn.release()

    async def _keep(self, place: int) -> None:
        """Start a worker anew whenever it dies, later and later when it dies soon."""
        loop = asyncio.get_running_loop()
        pause_s = _FIRST_PAUSE_S
        while True:
            began = loop.time()
            worker = self._workers.get(place)
            if worker is not None:
                watching = asyncio.create_task(self._watch(worker))
                try:
                    code = await worker.process.wait()
                finally:
                    watching.cancel()
                _log.error("worker %d ended with %d: it is started anew", worker.process.pid, code)
                del self._workers[place]
                self._lost = add_up([self._lost, lasting(worker.figures)])
            pause_s = _FIRST_PAUSE_S if loop.time() - began > _LIVED_WELL_S else min(2 * pause_s, _LONGEST_PAUSE_S)
            await asyncio.sleep(pause_s)
            # Between changes: else it could start with what all others have given up.
            async with self._turn:
                try:
                    self._workers[place] = await self._start(place)
                except GuardError as error:
                    _log.error("a worker could not start: %s: %s", error.code, error)

    async def _watch(self, worker: WorkerProcess) -> None:
        """Take a worker's figures every second, for the case that it dies, and end it when it stands still."""
        while True:
            await asyncio.sleep(_WATCH_S)
            try:
                worker.figures = await worker.peer.call("figures", timeout_s=_SILENT_S)
            except GuardError as error:
                _log.error("worker %d does not tell its figures: %s", worker.process.pid, error)
            except ChannelClosed:
                if not worker.listening.done():  # else it is ending by itself
                    _log.error("worker %d has not answered for %g s: it is ended", worker.process.pid, _SILENT_S)
                    worker.kill()
                return

    async def _start(self, place: int) -> WorkerProcess:
        """Return a worker that serves. Raises GuardError: it cannot, and has ended."""
        answers = {"swap": self._on_swap, "workers": self._on_workers, "figures": self._on_figures}
        return await start_worker(self.settings, self._bound, answers, place=place)

    async def _end_all(self) -> None:
        limits = self.settings.limits
        workers = list(self._workers.values())
        for worker in workers:
            if worker.process.returncode is None:
                worker.process.send_signal(signal.SIGTERM)
        ended = asyncio.gather(*(worker.process.wait() for worker in workers))
        try:
            await asyncio.wait_for(ended, limits.drain_delay_s + limits.drain_timeout_s + _END_S)
        except TimeoutError:
            for worker in workers:
                worker.kill()

    async def _on_swap(self, said: Mapping[str, Any]) -> str:
        return await self.swap(said["bundle"], digest=said["digest"])

    async def _on_workers(self, said: Mapping[str, Any]) -> object:
        return [{"pid": worker.process.pid, "digest": worker.digest} for worker in self._workers.values()]

    async def _on_figures(self, said: Mapping[str, Any]) -> object:
        return await self.figures()

"""Who carries out a change of what judges: this process alone, or every worker together."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from guard.config import Settings
from guard.server.changes import Changes
from guard.server.live import Live
from guard.server.reload import with_reloaded


@dataclass(frozen=True, slots=True)
class WorkerState:
    """What one process of this Guard serves."""

    pid: int
    digest: str


class Control(Protocol):
    """Changes what judges, all at once or not at all. Implementations: `Alone`, `guard.server.worker.Together`."""

    @property
    def place(self) -> int:
        """Which of the workers this process is, from 0 on: what has to be done once, the first one does."""
        ...

    async def swap(self, bundle: str, *, digest: str | None = None) -> str:
        """Return the digest of the bundle that every process judges by from now on; the other settings stay.

        Args:
            bundle: a bundle directory, or "embedded".
            digest: the one that it must have; None takes whatever is there.

        Raises:
            SwapRefused, SupervisorLost: nothing has changed anywhere.
        """
        ...

    async def workers(self) -> list[WorkerState]:
        """Return what each process serves. Raises SupervisorLost."""
        ...

    async def metrics(self, accept: str) -> tuple[bytes, str]:
        """Return the figures of all processes as a page, and its content type, in the format of an Accept header.

        Raises SupervisorLost.
        """
        ...


class Alone:
    """Control over a single process."""

    place = 0

    def __init__(self, changes: Changes, live: Live, *, pid: int) -> None:
        self._changes = changes
        self._live = live
        self._pid = pid
        self._turn = asyncio.Lock()

    async def swap(self, bundle: str, *, digest: str | None = None) -> str:
        """Open another bundle in the place of the one that judges."""
        return await self._apply(lambda now: now.model_copy(update={"bundle": bundle}), reopens=True, digest=digest)

    async def reload(self, read: Settings) -> str:
        """Judge by what a reload changes, and return the digest of the bundle that does. Raises SwapRefused."""
        return await self._apply(lambda now: with_reloaded(now, read), reopens=False)

    async def _apply(self, change: Callable[[Settings], Settings], *, reopens: bool, digest: str | None = None) -> str:
        async with self._turn:
            # Within the turn: settings of before it would undo the change that was waited for.
            settings = change(self._live.current.settings)
            found = await self._changes.prepare(settings, reopens=reopens, digest=digest)
            self._changes.commit()
            self._changes.settle()
            return found

    async def workers(self) -> list[WorkerState]:
        """Return what this process serves."""
        return [WorkerState(self._pid, self._live.current.guard.bundle.digest)]

    async def metrics(self, accept: str) -> tuple[bytes, str]:
        """Return the figures of this process."""
        return self._live.current.guard.telemetry.expose(accept)

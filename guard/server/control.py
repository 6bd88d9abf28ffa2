"""Who carries out a change of what judges: this process alone, or every worker together."""

import asyncio
from dataclasses import dataclass
from typing import Protocol

from guard.config import Settings
from guard.server.changes import Changes
from guard.server.live import Live


@dataclass(frozen=True, slots=True)
class WorkerState:
    """What one process of this Guard serves."""

    pid: int
    digest: str


class Control(Protocol):
    """Changes what judges, all at once or not at all. Implementations: `Alone`, `guard.server.worker.Together`."""

    async def apply(self, settings: Settings, *, reopens: bool, digest: str | None = None) -> str:
        """Return the digest of the bundle that every process judges by from now on.

        The arguments are those of `Changes.prepare`. Raises SwapRefused, SupervisorLost: nothing has changed anywhere.
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

    def __init__(self, changes: Changes, live: Live, *, pid: int) -> None:
        self._changes = changes
        self._live = live
        self._pid = pid
        self._turn = asyncio.Lock()

    async def apply(self, settings: Settings, *, reopens: bool, digest: str | None = None) -> str:
        """Change what judges, one change at a time."""
        async with self._turn:
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

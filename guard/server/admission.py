"""Who may work now: a bounded number of permits, a bounded queue for them, and a bounded sum of bodies in memory."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import TypeAlias

from guard.config import LimitSettings
from guard.errors import Overloaded

Hold: TypeAlias = Callable[[int], None]

# Requests that may wait for a permit, per permit: more would not be served before their deadline anyway.
_QUEUE_PER_PERMIT = 8


class Admission:
    """Permits for judging. A request that waits on the LLM API holds none; each look at its answer takes one."""

    def __init__(self, limits: LimitSettings) -> None:
        self._limits = limits
        self._permits = asyncio.Semaphore(limits.max_inflight)
        self._waiting = 0
        self._held_bytes = 0

    def check(self) -> None:
        """Refuse at once, before anything is read, when the queue is full. Raises Overloaded."""
        if self._waiting >= _QUEUE_PER_PERMIT * self._limits.max_inflight:
            raise Overloaded("too many requests are waiting")

    @contextmanager
    def account(self) -> Iterator[Hold]:
        """Yield a function that accounts for bytes of one body in memory; the end of the block gives them back.

        The function raises Overloaded when all bodies together grow too large. Negative numbers give bytes back early.
        """
        held_bytes = 0

        def hold(size_bytes: int) -> None:
            nonlocal held_bytes
            if self._held_bytes + size_bytes > self._limits.max_buffered_bytes:
                raise Overloaded("the bodies of all requests together are too large")
            self._held_bytes += size_bytes
            held_bytes += size_bytes

        try:
            yield hold
        finally:
            self._held_bytes -= held_bytes

    def permit(self) -> "_Permit":
        """Return a context manager that holds a permit; Overloaded is raised when none is free before the deadline."""
        return _Permit(self)

    async def acquire(self) -> None:
        """Take a permit. Raises Overloaded when none is free before the deadline."""
        if self._permits.locked():
            await self._wait()
        else:
            await self._permits.acquire()

    def release(self) -> None:
        """Give a permit back."""
        self._permits.release()

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Return what holds a permit, in whatever time it comes free: for what was begun and cannot be refused."""
        return self._permits

    async def _wait(self) -> None:
        self.check()
        self._waiting += 1
        try:
            async with asyncio.timeout(self._limits.admission_timeout_s):
                await self._permits.acquire()
        except TimeoutError as error:
            raise Overloaded(f"no permit was free in {self._limits.admission_timeout_s:g} s") from error
        finally:
            self._waiting -= 1


class _Permit:
    """A permit for the length of a block. A class: a generator takes several times as long, for each request."""

    __slots__ = ("_admission",)

    def __init__(self, admission: Admission) -> None:
        self._admission = admission

    async def __aenter__(self) -> None:
        await self._admission.acquire()

    async def __aexit__(self, *_: object) -> None:
        self._admission.release()

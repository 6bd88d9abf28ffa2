"""Work that several callers wait for is done once, and dropped when nobody waits for it any more."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")


@dataclass(slots=True)
class _Flight(Generic[Value]):
    task: asyncio.Task[Value]
    waiting: int = 0


class Flights(Generic[Value]):
    """Work under way, by key. Belongs to one event loop; results are not remembered."""

    def __init__(self) -> None:
        self._flights: dict[bytes, _Flight[Value]] = {}

    async def join(self, key: bytes, start: Callable[[], Coroutine[Any, Any, Value]]) -> Value:
        """Return the result of the work under way for `key`, or of `start()` where there is none.

        A caller that is cancelled takes nothing from the others; with the last of them the work is cancelled too.
        """
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = _Flight(asyncio.create_task(start()))
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if flight.waiting == 0:
                flight.task.cancel()
                if self._flights.get(key) is flight:
                    del self._flights[key]

    def cancel(self) -> None:
        """Cancel all of it."""
        for flight in self._flights.values():
            flight.task.cancel()

"""Live figures for as long as an application serves."""

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from guard.pipeline import Guard
from guard.server.live import Live
from guard.telemetry import Telemetry

if TYPE_CHECKING:
    from guard.store.memory import Memory


@asynccontextmanager
async def watched(live: Live, memory: "Memory | None", telemetry: Telemetry, *, place: int) -> AsyncIterator[None]:
    """Measure rates and judge canaries for the length of the block: where decisions are kept, and in the first worker.

    What is measured is the same in all of them, as they share the store.
    """
    if memory is None or place != 0:
        yield
        return
    from guard.monitor.watch import Watch, watching  # SQLAlchemy takes a third of a second

    @contextmanager
    def taken() -> Iterator[Guard]:
        with live.taken() as generation:
            yield generation.guard

    async with watching(Watch(taken, memory.store, telemetry, live.current.settings.monitor, time.time)):
        yield

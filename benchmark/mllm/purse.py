"""The dollars of a run: calls begin as long as there is room for what they may cost, whatever is under way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmark.mllm.asking import Reply
from guard.errors import UsageError


class Purse:
    """Holds what may be spent; belongs to one event loop.

    What a call costs is known after it. So calls go one at a time until one had a price, and then as many side by side
    as the dearest so far leaves room for: the limit is exceeded by the last call alone, unless a later one is dearer.

    Args:
        limit_usd: None for no limit.
    """

    def __init__(self, limit_usd: float | None) -> None:
        self._limit_usd = limit_usd
        self._dearest_usd: float | None = None
        self._under_way = 0
        self._ended = asyncio.Event()
        self.spent_usd = 0.0

    @asynccontextmanager
    async def call(self) -> AsyncIterator[None]:
        """Wait for room, and hold it for the time of a call. Raises UsageError: the limit is reached."""
        if self._limit_usd is None:
            yield
            return
        while not self._has_room(self._limit_usd):
            self._ended.clear()
            await self._ended.wait()
        if self.spent_usd >= self._limit_usd:
            raise UsageError(
                f"{self.spent_usd:.4g} USD are spent, the limit is {self._limit_usd:.4g}; call again to go on"
            )
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1
            self._ended.set()

    def pay(self, reply: Reply) -> None:
        """Count what a reply cost. Raises UsageError where nobody knows and there is a limit."""
        self.spent_usd += reply.cost_usd or 0.0
        if reply.cost_usd is not None:
            self._dearest_usd = max(reply.cost_usd, self._dearest_usd or 0.0)
        # What an API's own filter refuses has no price, whatever the model.
        elif not reply.is_refused and self._limit_usd is not None:
            raise UsageError("no price is known for this model, so --max-cost cannot end the run; leave it out")

    def _has_room(self, limit_usd: float) -> bool:
        if self._under_way == 0 or self.spent_usd >= limit_usd:
            return True
        if self._dearest_usd is None:
            return False
        return self.spent_usd + (self._under_way + 1) * self._dearest_usd <= limit_usd

"""How much one tenant may ask: requests under way at once, and requests a minute."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from guard.access_settings import TenantSettings
from guard.errors import RateLimited

_MINUTE_S = 60.0


class Usage:
    """What one tenant has asked lately; it outlives reloads."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.inflight = 0
        self.free: float | None = None  # requests that may come now; None before the first
        self.counted_at = clock()


class Allowance:
    """Holds a tenant's usage to the limits of its settings.

    A minute's requests may come at once; from then on one comes free as often as the minute allows.
    """

    def __init__(self, usage: Usage, settings: TenantSettings) -> None:
        self._usage = usage
        self._most_inflight = settings.max_inflight
        self._per_minute = settings.requests_per_minute

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Count one request, to the end of its answer. Raises RateLimited: one too many."""
        usage = self._usage
        if self._most_inflight is not None and usage.inflight >= self._most_inflight:
            raise RateLimited(f"{usage.inflight} requests of this tenant are under way, limit is {self._most_inflight}")
        if self._per_minute is not None:
            _take(usage, self._per_minute)
        usage.inflight += 1
        try:
            yield
        finally:
            usage.inflight -= 1


def _take(usage: Usage, per_minute: int) -> None:
    now = usage.clock()
    came_free = (now - usage.counted_at) * per_minute / _MINUTE_S
    usage.free = float(per_minute) if usage.free is None else min(usage.free + came_free, per_minute)
    usage.counted_at = now
    if usage.free < 1:
        raise RateLimited(f"more than {per_minute} requests a minute of this tenant")
    usage.free -= 1

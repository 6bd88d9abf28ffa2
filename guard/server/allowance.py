"""How much one tenant may ask: requests under way at once, and requests a minute."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from guard.access_settings import TenantSettings
from guard.errors import RateLimited

_MINUTE_S = 60.0


class Allowance:
    """Counts a tenant's requests. It outlives reloads, which only change its limits.

    A minute's requests may come at once; from then on one comes free as often as the minute allows.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._most_inflight: int | None = None
        self._per_minute: int | None = None
        self._inflight = 0
        self._free = 0.0
        self._counted_at = clock()

    def limit(self, settings: TenantSettings) -> None:
        """Take the limits of a tenant's settings."""
        if settings.requests_per_minute != self._per_minute:
            self._per_minute = settings.requests_per_minute
            self._free = float(self._per_minute or 0)
            self._counted_at = self._clock()
        self._most_inflight = settings.max_inflight

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Count one request, to the end of its answer. Raises RateLimited: one too many."""
        if self._most_inflight is not None and self._inflight >= self._most_inflight:
            raise RateLimited(f"{self._inflight} requests of this tenant are under way, limit is {self._most_inflight}")
        if self._per_minute is not None:
            self._take(self._per_minute)
        self._inflight += 1
        try:
            yield
        finally:
            self._inflight -= 1

    def _take(self, per_minute: int) -> None:
        now = self._clock()
        self._free = min(self._free + (now - self._counted_at) * per_minute / _MINUTE_S, per_minute)
        self._counted_at = now
        if self._free < 1:
            raise RateLimited(f"more than {per_minute} requests a minute of this tenant")
        self._free -= 1

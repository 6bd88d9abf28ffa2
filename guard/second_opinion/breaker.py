"""A judge that failed several times in a row is left alone for a while, so that nobody waits for it. Pure."""

from collections.abc import Callable

from guard.errors import JudgePaused


class Breaker:
    """Counts failures in a row. After `failures` of them nobody asks for `pause_s`; then one call in `pause_s` tries.

    Args:
        now: seconds of a clock that never goes back.
    """

    def __init__(self, *, failures: int, pause_s: float, now: Callable[[], float]) -> None:
        self._most = failures
        self._pause_s = pause_s
        self._now = now
        self._failed = 0
        self._until = 0.0
        self._trying = 0  # the last call that tried

    @property
    def is_paused(self) -> bool:
        """Whether the last calls failed, and none succeeded since."""
        return self._failed >= self._most

    def require(self) -> None:
        """Say whether a call may begin. Raises JudgePaused."""
        if self.is_paused and self._now() < self._until:
            raise JudgePaused(f"the judge failed {self._failed} times in a row")

    def begin(self) -> int | None:
        """Begin a call. Returns a number where it is the one that tries a paused judge, for `abandoned`."""
        if not self.is_paused:
            return None
        self._until = self._now() + self._pause_s
        self._trying += 1
        return self._trying

    def abandoned(self, trying: int | None) -> None:
        """Nobody waited for a call's end: if it was the one that tries, the next one may."""
        if trying == self._trying:
            self._until = self._now()

    def succeeded(self) -> None:
        """The judge answered, whatever it said."""
        self._failed = 0

    def failed(self) -> None:
        """The judge did not answer."""
        self._failed += 1
        if self.is_paused:
            self._until = self._now() + self._pause_s

"""What a judge may cost: calls in a minute, and dollars in a day of UTC. Pure; the time is passed in."""

import math
from collections import deque
from collections.abc import Callable

from guard.errors import JudgeOverBudget

_MINUTE_S = 60.0
_DAY_S = 86_400.0


class Budget:
    """Counts calls and dollars; belongs to one event loop.

    A call's price is known after it, so `dollars_per_call` is set aside before it: as long as no call costs more than
    that, calls side by side do not exceed the day's dollars either.

    Args:
        calls_per_minute: at least 1, in every stretch of 60 seconds.
        dollars_per_day: of what calls cost.
        dollars_per_call: set aside for a call, and charged where its price stays unknown.
        now: unix time in seconds.
    """

    def __init__(
        self, *, calls_per_minute: int, dollars_per_day: float, dollars_per_call: float, now: Callable[[], float]
    ) -> None:
        self._begun: deque[float] = deque(maxlen=calls_per_minute)
        self._dollars_per_day = dollars_per_day
        self._dollars_per_call = dollars_per_call
        self._now = now
        self._day = now() // _DAY_S
        self._spent = 0.0
        self._under_way = 0

    def begin(self) -> None:
        """Count a call in. Raises JudgeOverBudget: there is no room for it."""
        now = self._now()
        if now // _DAY_S != self._day:
            self._day, self._spent = now // _DAY_S, 0.0
        if len(self._begun) == self._begun.maxlen and 0 <= now - self._begun[0] < _MINUTE_S:
            raise JudgeOverBudget(f"judge.calls_per_minute: {self._begun.maxlen} calls in the last minute")
        if self._spent + (self._under_way + 1) * self._dollars_per_call > self._dollars_per_day:
            raise JudgeOverBudget(f"judge.dollars_per_day: {self._spent:.4f} of {self._dollars_per_day:g} spent")
        self._begun.append(now)
        self._under_way += 1

    def end(self, dollars: float | None) -> float:
        """Count a call out, and return what it is charged; a price of None, or one that is none, is unknown."""
        is_known = dollars is not None and math.isfinite(dollars) and dollars >= 0
        charged = dollars if dollars is not None and is_known else self._dollars_per_call
        self._under_way -= 1
        self._spent += charged
        return charged

"""A day of requests whose truth is known: when each comes, whether it is unsafe, and what the guard makes of it."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DAY_S = 86_400.0
NOON_S = DAY_S / 2
SHARE_UNSAFE = 0.03
THRESHOLD = 0.8  # probability
LIMIT = 0.01  # certified
# Raw scores are normal, and their logistic is the probability.
_HARMLESS, _AFTER_NOON, _UNSAFE = (-3.0, 1.75), (-1.9, 1.75), (3.5, 1.6)


@dataclass(frozen=True, slots=True, eq=False)
class Day:
    """Requests in the order in which they come, each array of shape (n,)."""

    at: NDArray[np.float64]  # seconds since midnight
    is_unsafe: NDArray[np.bool_]
    scores: NDArray[np.float64]  # raw

    @property
    def is_refused(self) -> NDArray[np.bool_]:
        """Which ones reach the threshold."""
        return self.scores >= math.log(THRESHOLD / (1 - THRESHOLD))

    def false_refusal_rate(self, since: float, until: float) -> float:
        """Return the truth about a stretch of the day: wrongly refused of all harmless requests; NaN without any."""
        harmless = ~self.is_unsafe & (self.at >= since) & (self.at < until)
        return float(np.mean(self.is_refused[harmless])) if harmless.any() else math.nan


def draw_day(n: int, random: np.random.Generator) -> Day:
    """Return a day of `n` requests: four times as many at three in the afternoon as at three in the morning.

    From noon on harmless requests look more like unsafe ones, as when a new kind of user comes; the guard stays.
    """
    grid = np.linspace(0, DAY_S, 1441)
    busy = np.cumsum(1 - 0.6 * np.cos((grid - 3 * 3600) / DAY_S * 2 * np.pi))
    at = np.sort(np.interp(random.random(n), (busy - busy[0]) / (busy[-1] - busy[0]), grid))
    is_unsafe = random.random(n) < SHARE_UNSAFE
    means = np.where(is_unsafe, _UNSAFE[0], np.where(at < NOON_S, _HARMLESS[0], _AFTER_NOON[0]))
    spreads = np.where(is_unsafe, _UNSAFE[1], np.where(at < NOON_S, _HARMLESS[1], _AFTER_NOON[1]))
    return Day(at, is_unsafe, random.normal(means, spreads))


def draw_calibration(n: int, random: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return raw scores of `n` harmless and of `n` unsafe pairs as they are in the morning."""
    return random.normal(*_HARMLESS, n), random.normal(*_UNSAFE, n)

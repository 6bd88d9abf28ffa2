"""Counts of past hours, remembered: a busy week has millions of decisions, and only the last hour of it is news.

Belongs to one thread at a time.
"""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from guard.store.store import Store
from guard.store.values import Count, Window

_HOUR_S = 3600.0
_SETTLED_S = 300.0  # after the end of an hour: what is queued, on any machine, is written by then
_LATE_H = 6  # hours that are read again at each turn of the hour: after an outage of the store, queues are written late
_REREAD_S = 86_400.0  # what was purged is not counted for longer


@dataclass
class _Hours:
    """The counts of whole hours up to one, by the hour's number."""

    read_at: float
    until: int
    counts: dict[int, list[Count]] = field(default_factory=dict)


class Tallies:
    """Answers what `Store.counts` answers of windows that end about now, from memory as far as hours are over.

    Args:
        store: is asked for the rest.
        clock: unix seconds.
    """

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._hours: dict[str | None, _Hours] = {}  # by bundle

    def counts(self, window: Window, policy: str) -> list[Count]:
        """Return how many decisions of each kind a window has under a policy. Raises StoreFailed."""
        hours = self._read(window)
        first = (
            math.ceil(window.since / _HOUR_S) if window.since > -math.inf else min(hours.counts, default=hours.until)
        )
        if first >= hours.until:
            return self._store.counts(window, policy=policy)
        found = [each for hour in range(first, hours.until) for each in hours.counts.get(hour, ())]
        for part in (Window(window.since, first * _HOUR_S), Window(hours.until * _HOUR_S, window.until)):
            if part.until > part.since > -math.inf:
                found += self._store.counts(replace(part, bundle=window.bundle), policy=policy)
        return _summed([each for each in found if each.policy == policy], window.since)

    def began(self, bundle: str, policy: str, now: float) -> float | None:
        """Return the hour of the first decision of a bundle under a policy, None where there is none yet."""
        hours = self._read(Window(-math.inf, now, bundle))
        whole = [hour for hour, counts in hours.counts.items() if any(each.policy == policy for each in counts)]
        if whole:
            return min(whole) * _HOUR_S
        recent = self._store.counts(Window(hours.until * _HOUR_S, now, bundle), _HOUR_S, policy)
        return min((each.since for each in recent), default=None)

    def _read(self, window: Window) -> _Hours:
        """Return the whole hours of a bundle, or of all, as far back as the window asks and as they are settled."""
        now = self._clock()
        until = math.floor((now - _SETTLED_S) / _HOUR_S)
        # Nothing asks for more than a week of all bundles.
        since = -math.inf if window.bundle is not None else (until - 7 * 24 - 1) * _HOUR_S
        known = self._hours.get(window.bundle)
        if known is None or now - known.read_at > _REREAD_S:
            known = _Hours(now, until)
        elif known.until == until:
            return known
        else:
            since = (known.until - _LATE_H) * _HOUR_S
        # Asked before anything is noted: hours that could not be read are asked for again.
        found = self._store.counts(Window(since, until * _HOUR_S, window.bundle), _HOUR_S)
        known.until = until
        self._hours[window.bundle] = known
        for hour in [each for each in known.counts if each * _HOUR_S >= since]:
            del known.counts[hour]
        for each in found:
            known.counts.setdefault(round(each.since / _HOUR_S), []).append(each)
        # Bundles that were swapped away, and hours of all bundles that are out of any window.
        for bundle in [each for each in self._hours if each not in {None, window.bundle} and window.bundle is not None]:
            del self._hours[bundle]
        if window.bundle is None:
            for hour in [each for each in known.counts if each < until - 7 * 24 - 1]:
                del known.counts[hour]
        return known


def _summed(counts: list[Count], since: float) -> list[Count]:
    totals: Counter[Count] = Counter()
    for each in counts:
        totals[replace(each, since=since, n=0)] += each.n
    return [replace(kind, n=n) for kind, n in totals.items()]

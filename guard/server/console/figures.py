"""The overview's figures, read from the store: live rates, decisions over time, pictures, drift, and the queue."""

import math
from collections.abc import Callable
from dataclasses import asdict
from typing import Literal

from guard.bundle import Bundle
from guard.monitor.drift import AGAINST, DAY_S, Against, FirstDays, measure_drift
from guard.monitor.live import Figure, measure, window_named
from guard.monitor.tallies import Tallies
from guard.server.console.kept import Kept
from guard.server.console.shown import Document
from guard.store.store import Store
from guard.store.values import Count, LabelKind, Source, Window
from guard.types import Action, Direction, Verdict

WindowName = Literal["1h", "24h", "7d", "bundle"]
_WEEK_S = 604_800.0
_STEPS_S = (60, 120, 300, 600, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800)
_MOST_COLUMNS = 60


class Figures:
    """Figures of one store, counted by one thread at a time and kept for some seconds.

    Args:
        clock: unix seconds.
    """

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._tallies = Tallies(store, clock)
        self._first_days = FirstDays(store, self._tallies)
        self._kept = Kept[Document](clock)

    def of(self, policy: str, name: WindowName, bundle: Bundle) -> Document:
        """Return the figures of a window under a policy. Blocks; raises StoreFailed."""
        now = self._clock()
        waiting = self._store.count_open()
        queue = {"open": waiting.n, "oldest_s": None if waiting.oldest_at is None else now - waiting.oldest_at}
        found = self._kept.get((policy, name, bundle.digest), lambda: self._read(policy, name, bundle, now))
        return found | {"queue": queue}

    def _read(self, policy: str, name: WindowName, bundle: Bundle, now: float) -> Document:
        store = self._store
        window = window_named(name, bundle=bundle.digest, now=now)
        rates = measure(store, policy, name, bundle=bundle.digest, now=now, tallies=self._tallies)
        agreement = rates.agreement
        said = [each for each in store.labels(window.since, policy) if each.source is Source.USER]
        pictures = store.pictures(window)
        return {
            "rates": {
                "false_refusal": rate_document(rates.false_refusal),
                "block_error": rate_document(rates.block_error),
                "miss": rate_document(rates.miss),
            },
            "response": {"rate": rates.response_ratio, "sampled": rates.n_drawn, "reviewed": rates.n_reviewed},
            "kappa": None if agreement.kappa is None else {"value": agreement.kappa, "n": agreement.n},
            "reports": {
                "wrong_refusal": sum(each.label is LabelKind.SAFE for each in said),
                "wrong_pass": sum(each.label is LabelKind.UNSAFE for each in said),
            },
            "timeline": _timeline(store, policy, window, now),
            "pictures": {
                "judged": sum(n for (judged, _), n in pictures.items() if judged),
                "unjudged": {reason or "other": n for (judged, reason), n in pictures.items() if not judged},
            },
            "near": rates.near,
            "drift": {against: self._drift(policy, bundle, now, against) for against in AGAINST},
            "has_reference": bundle.manifest.calibration.reference is not None,
            "first_day_ends": self._first_day_ends(policy, bundle, now),
            "canary": self._canary(now),
        }

    def _drift(self, policy: str, bundle: Bundle, now: float, against: Against) -> Document | None:
        found = measure_drift(self._store, policy, bundle=bundle, now=now, against=against, known=self._first_days)
        if found is None:
            return None
        return {
            "is_drifting": found.is_drifting,
            "psi": found.psi,
            "psi_limit": found.psi_limit,
            "ks": found.ks,
            "ks_limit": found.ks_limit,
            "n": found.n,
        }

    def _first_day_ends(self, policy: str, bundle: Bundle, now: float) -> float | None:
        """Return when the day ends against which drift will be measured; None before the first decision, and after."""
        began = self._tallies.began(bundle.digest, policy, now)
        return None if began is None or began + DAY_S <= now else began + DAY_S

    def _canary(self, now: float) -> Document | None:
        last = self._store.canaries(now - _WEEK_S)[-1:]
        return asdict(last[0]) if last else None


def rate_document(figure: Figure) -> Document:
    """Return a live rate as the pages draw it: without bounds where there are too few reviews."""
    return {
        "value": figure.value,
        "low": figure.low,
        "high": figure.high,
        "n": figure.n_reviewed,
        "why": figure.shortage,
        "worst_case": figure.is_worst_case,
    }


def _timeline(store: Store, policy: str, window: Window, now: float) -> Document:
    since = window.since
    if since == -math.inf:
        hourly = store.counts(window, 3600.0, policy)
        since = min((each.since for each in hourly), default=now - 3600.0)
    step_s, counts = _counted(store, policy, Window(since, bundle=window.bundle), now)
    began = min((each.since for each in counts), default=since)
    if began > since + (now - since) / 2:
        # A store that is younger than the window: finer columns, and not most of them empty.
        since = max(since, began)
        step_s, counts = _counted(store, policy, Window(since, bundle=window.bundle), now)
    places = range(math.floor(since / step_s), math.floor(now / step_s) + 1)
    columns = {place: {"at": place * step_s, "n": 0, "refused": 0, "unjudged": 0} for place in places}
    for count in counts:
        column = columns.get(round(count.since / step_s))
        if column is not None and count.direction is Direction.INPUT:
            column["n"] += count.n
            kind = _kind(count)
            if kind is not None:
                column[kind] += count.n
    return {"step_s": step_s, "buckets": list(columns.values())}


def _counted(store: Store, policy: str, window: Window, now: float) -> tuple[int, list[Count]]:
    """Return how long a column is, in seconds, and what is in each."""
    step_s = next((one for one in _STEPS_S if (now - window.since) / one <= _MOST_COLUMNS), _STEPS_S[-1])
    return step_s, store.counts(window, float(step_s), policy)


def _kind(count: Count) -> str | None:
    if count.verdict is Verdict.UNJUDGED:
        return "unjudged"
    return "refused" if count.intended is Action.BLOCK else None

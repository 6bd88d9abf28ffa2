"""The schedule of live monitoring: the store is asked for rates, and canaries are judged, while Guard serves.

One process does it, the first of several workers. Questions are asked in a thread; what they answer is shown in the
metrics at once. A store that does not answer empties the figures: old ones would look like news.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import product
from typing import Protocol

from guard.bundle import Bundle
from guard.errors import GuardError
from guard.monitor.canaries import SUITE, Judge, Tally, judge_canaries, load_canaries
from guard.monitor.drift import AGAINST, DAY_S, HOUR_S, FirstDays, measure_drift
from guard.monitor.live import LiveRates, measure
from guard.monitor.tallies import Tallies
from guard.monitor_settings import MonitorSettings
from guard.store.store import Store
from guard.store.values import CanaryResult, Label
from guard.telemetry import Telemetry
from guard.telemetry.live import RATES, LiveValue

_log = logging.getLogger(__name__)

FAST, SLOW = ("1h", "24h"), ("7d", "bundle")
SLOW_EVERY = 10  # times
_LATE_S = 120.0
_SETTLED_S = 30.0  # canaries take seconds of a processor, which the first requests shall have


class Served(Judge, Protocol):
    """The guard that serves."""

    @property
    def bundle(self) -> Bundle:
        """Return what it judges by."""
        ...


class Watch:
    """Measures, and shows what was measured. Belongs to one event loop.

    Args:
        taken: gives the guard that serves, and keeps it open for the length of the block.
        store: is asked from threads.
        telemetry: shows the figures.
        settings: how often.
        clock: unix seconds.
    """

    def __init__(
        self,
        taken: Callable[[], AbstractContextManager[Served]],
        store: Store,
        telemetry: Telemetry,
        settings: MonitorSettings,
        clock: Callable[[], float],
    ) -> None:
        self._taken = taken
        self._store = store
        tallies = Tallies(store, clock)
        self._asked = _Asked(store, tallies, FirstDays(store, tallies))
        self._telemetry = telemetry
        self._settings = settings
        self._clock = clock
        self._canaries = load_canaries()
        self._slow: list[LiveValue] = []
        self._turns = 0
        self._labels_from = clock()
        self._labelled: frozenset[tuple[str, str, float]] = frozenset()  # of the last look, which overlaps the next
        self._is_failing = False

    async def measure(self) -> None:
        """Measure the rates, all of them every tenth time, and show them."""
        with self._taken() as served:
            policies, bundle = tuple(served.policies), served.bundle
        now, is_slow = self._clock(), self._turns % SLOW_EVERY == 0
        try:
            fast = await asyncio.to_thread(_fast, self._asked, policies, bundle, now)
            if is_slow:
                self._slow = await asyncio.to_thread(_slow, self._asked, policies, bundle, now)
            given = await asyncio.to_thread(self._store.labels, self._labels_from)
            new = [label for label in given if _key(label) not in self._labelled]
            labels = await asyncio.to_thread(_labels, self._store, new)
        except GuardError as error:
            self._telemetry.live.show([])
            self._slow, self._turns = [], 0
            if not self._is_failing:
                _log.warning("live rates are not measured: %s: %s", error.code, error)
            self._is_failing = True
            return
        self._is_failing = False
        # A label is dated before its writing waits for the store: what is committed late is seen by the next look.
        self._labels_from = max(self._labels_from, now - _LATE_S)
        self._labelled = frozenset(map(_key, given))
        self._turns += 1
        shown = [*fast, *(value for value in self._slow if value.labels[0] in policies)]
        self._telemetry.live.show(shown, at=now)
        for source, action, label in labels:
            self._telemetry.live.labelled(source=source, action=action, label=label)

    async def judge_canaries(self) -> None:
        """Judge the canaries, show what came of it, and keep it."""
        now = self._clock()
        with self._taken() as served:
            found = await judge_canaries(served, self._canaries, number=int(now))
            digest = served.bundle.digest
        wrong = [(name, each.refused / each.n_safe, each.missed / each.n_unsafe) for name, each in found.items()]
        self._telemetry.live.canaries(now, wrong)
        try:
            await asyncio.to_thread(_keep, self._store, found, digest, now)
        except GuardError as error:
            _log.warning("canaries are not kept: %s: %s", error.code, error)

    async def run(self) -> None:
        """Measure and judge for ever."""
        every_s = self._settings.canary_every_s
        schedule = [self._repeat(self.measure, self._settings.rates_every_s)]
        if every_s:
            schedule.append(self._repeat(self.judge_canaries, every_s, first_s=min(every_s, _SETTLED_S)))
        await asyncio.gather(*schedule)

    async def _repeat(self, step: Callable[[], Awaitable[None]], every_s: float, first_s: float = 0.0) -> None:
        await asyncio.sleep(first_s)
        while True:
            try:
                await step()
            except Exception:  # noqa: BLE001 - one bad row must not end the watch for good
                _log.exception("the monitor failed; it goes on")
            await asyncio.sleep(every_s)


@asynccontextmanager
async def watching(watch: Watch) -> AsyncIterator[None]:
    """Watch for the length of the block."""
    task = asyncio.create_task(watch.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@dataclass(frozen=True, slots=True)
class _Asked:
    """The store, and what is remembered of it."""

    store: Store
    tallies: Tallies
    first_days: FirstDays


def _fast(asked: _Asked, policies: Iterable[str], bundle: Bundle, now: float) -> list[LiveValue]:
    values = []
    for policy in policies:
        for window in FAST:
            found = measure(asked.store, policy, window, bundle=bundle.digest, now=now, tallies=asked.tallies)
            values += _shown(found)
            if window == "24h" and found.near is not None:
                values.append(LiveValue("near", (policy,), found.near))
    waiting = asked.store.count_open()
    oldest_s = 0.0 if waiting.oldest_at is None else max(now - waiting.oldest_at, 0.0)
    return [*values, LiveValue("open", (), waiting.n), LiveValue("oldest", (), oldest_s)]


def _slow(asked: _Asked, policies: Iterable[str], bundle: Bundle, now: float) -> list[LiveValue]:
    values = []
    for policy in policies:
        for window in SLOW:
            found = measure(asked.store, policy, window, bundle=bundle.digest, now=now, tallies=asked.tallies)
            values += _shown(found)
            if window == "7d" and found.agreement.kappa is not None:
                values.append(LiveValue("agreement", (policy,), found.agreement.kappa))
        values += _drifts(asked, policy, bundle, now)
    return values


def _drifts(asked: _Asked, policy: str, bundle: Bundle, now: float) -> list[LiveValue]:
    values = []
    for (window, window_s), against in product((("1h", HOUR_S), ("24h", DAY_S)), AGAINST):
        known = asked.first_days
        drift = measure_drift(
            asked.store, policy, bundle=bundle, now=now, against=against, window_s=window_s, known=known
        )
        if drift is not None:
            named = {"psi": drift.psi, "psi_limit": drift.psi_limit, "ks": drift.ks, "ks_limit": drift.ks_limit}
            values += [LiveValue(name, (policy, against, window), value) for name, value in named.items()]
    return values


def _shown(found: LiveRates) -> list[LiveValue]:
    place = (found.policy, found.window)
    values = [LiveValue("reviewed", place, found.n_reviewed)]
    if found.response_ratio is not None:
        values.append(LiveValue("response", place, found.response_ratio))
    for name in RATES:
        figure = getattr(found, name)
        for kind, value in (("estimate", figure.value), ("low", figure.low), ("high", figure.high)):
            if value is not None:
                values.append(LiveValue(name, (*place, kind), value))
    return values


def _key(label: Label) -> tuple[str, str, float]:
    return label.decision_id, label.author, label.at


def _labels(store: Store, given: Sequence[Label]) -> list[tuple[str, str, str]]:
    """Return source, intended action and label of what was labelled."""
    decisions = {label.decision_id: store.decision(label.decision_id) for label in given}
    return [
        (label.source.value, decision.intended.value, label.label.value)
        for label in given
        if (decision := decisions[label.decision_id]) is not None
    ]


def _keep(store: Store, found: dict[str, Tally], digest: str, now: float) -> None:
    for policy, tally in found.items():
        store.add_canary(
            CanaryResult(
                at=now,
                bundle=digest,
                suite=SUITE,
                n_safe=tally.n_safe,
                refused=tally.refused,
                n_unsafe=tally.n_unsafe,
                missed=tally.missed,
                policy=policy,
            )
        )

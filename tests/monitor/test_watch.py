"""The watch: what it measures is what the metrics show."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from guard.errors import StoreFailed
from guard.monitor.canaries import SUITE
from guard.monitor.watch import SLOW_EVERY, Watch, watching
from guard.monitor_settings import MonitorSettings
from guard.pipeline import Guard
from guard.store.store import Store
from guard.store.values import Label, LabelKind, Source, Window
from tests.monitor.stores import BUNDLE, NOW, a_store, decision, reviewed_day
from tests.pipeline.guards import House, make_house


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with a_store(tmp_path) as opened:
        yield opened


@dataclass
class Clock:
    now: float = NOW

    def __call__(self) -> float:
        return self.now


def _watch(house: House, store: Store, clock: Clock, settings: MonitorSettings | None = None) -> Watch:
    @contextmanager
    def taken() -> Iterator[Guard]:
        yield house.guard

    return Watch(taken, store, house.guard.telemetry, settings or MonitorSettings(), clock)


async def test_rates_of_the_store_are_shown_by_window(store: Store) -> None:
    assert make_house().guard.bundle.digest == BUNDLE
    reviewed_day(store)
    house = make_house()

    await _watch(house, store, Clock()).measure()

    place = {"policy": "balanced", "window": "24h"}
    low, estimate, high = (
        house.metric("guard_false_refusal_ratio", **place, kind=kind) for kind in ("low", "estimate", "high")
    )
    assert estimate == pytest.approx(20 / 940)
    assert low < estimate < high
    assert house.metric("guard_block_error_ratio", policy="balanced", window="bundle", kind="estimate") == 0.25
    assert house.metric("guard_reviewed_decisions", **place) == 100
    assert house.metric("guard_review_response_ratio", **place) == 1.0
    assert house.metric("guard_live_timestamp_seconds") == NOW


async def test_window_without_enough_reviews_has_no_series(store: Store) -> None:
    reviewed_day(store)
    house = make_house()

    await _watch(house, store, Clock()).measure()

    page = house.guard.telemetry.expose()[0].decode()
    assert 'guard_false_refusal_ratio{kind="estimate",policy="balanced",window="1h"}' not in page
    assert 'guard_reviewed_decisions{policy="balanced",window="1h"} 0.0' in page


async def test_long_windows_are_measured_every_tenth_time_and_shown_in_between(store: Store) -> None:
    house, clock = make_house(), Clock()
    watch = _watch(house, store, clock)
    await watch.measure()
    reviewed_day(store)

    shown = []
    for _ in range(SLOW_EVERY):
        await watch.measure()
        shown.append(house.metric("guard_reviewed_decisions", policy="balanced", window="7d"))

    assert shown == [0.0] * (SLOW_EVERY - 1) + [100.0]


async def test_open_reviews_and_the_age_of_the_oldest_are_shown(store: Store) -> None:
    reviewed_day(store, answered=0.5)
    house = make_house()

    await _watch(house, store, Clock()).measure()

    assert house.metric("guard_reviews_open") == 50
    assert house.metric("guard_review_oldest_seconds") == pytest.approx(7200, abs=60)


async def test_labels_are_counted_once_from_the_start_of_the_watch_on(store: Store) -> None:
    reviewed_day(store)
    house, clock = make_house(), Clock()
    watch = _watch(house, store, clock)
    blocked = next(each for each in store.reviewed(Window(0), "balanced") if each.intended.value == "block")
    store.label(Label(blocked.id, LabelKind.SAFE, "bob", Source.REVIEWER, NOW + 5))
    store.label(Label(blocked.id, LabelKind.SAFE, "app", Source.USER, NOW + 6))

    for _ in range(3):
        clock.now += 60
        await watch.measure()

    assert house.metric("guard_reviews_total", source="reviewer", action="block", label="safe") == 1
    assert house.metric("guard_reviews_total", source="user", action="block", label="safe") == 1


async def test_label_that_is_committed_after_the_look_that_it_was_dated_before_is_counted(store: Store) -> None:
    reviewed_day(store)
    house, clock = make_house(), Clock()
    watch = _watch(house, store, clock)
    blocked = next(each for each in store.reviewed(Window(0), "balanced") if each.intended.value == "block")
    clock.now += 60
    await watch.measure()

    store.label(Label(blocked.id, LabelKind.SAFE, "bob", Source.REVIEWER, clock.now - 5))
    for _ in range(3):
        clock.now += 60
        await watch.measure()

    assert house.metric("guard_reviews_total", source="reviewer", action="block", label="safe") == 1


async def test_store_that_does_not_answer_empties_the_figures(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    reviewed_day(store)
    house = make_house()
    watch = _watch(house, store, Clock())
    await watch.measure()

    def fail(*args: object, **named: object) -> None:
        raise StoreFailed("gone")

    monkeypatch.setattr(store, "reviewed", fail)
    await watch.measure()
    page = house.guard.telemetry.expose()[0].decode()
    monkeypatch.undo()
    await watch.measure()

    for name in ("guard_false_refusal_ratio{", "\nguard_reviews_open ", "\nguard_review_oldest_seconds "):
        assert name not in page
    assert house.metric("guard_live_timestamp_seconds") == NOW
    assert house.metric("guard_reviewed_decisions", policy="balanced", window="7d") == 100


async def test_canaries_are_shown_and_kept(store: Store) -> None:
    house = make_house()

    await _watch(house, store, Clock()).judge_canaries()

    (result,) = store.canaries()
    assert (result.at, result.bundle, result.suite, result.policy) == (NOW, BUNDLE, SUITE, "balanced")
    assert result.missed > 0  # this guard knows bombs only
    shown = house.metric("guard_canary_ratio", policy="balanced", kind="miss")
    assert shown == pytest.approx(result.missed / result.n_unsafe)
    assert house.metric("guard_canary_timestamp_seconds") == NOW


async def test_watch_measures_by_itself_and_ends_with_its_block(store: Store) -> None:
    reviewed_day(store)
    house = make_house()
    watch = _watch(house, store, Clock(), MonitorSettings(canary_every_s=0))

    async with watching(watch):
        async with asyncio.timeout(60):
            while not house.metric("guard_live_timestamp_seconds"):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)

    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


async def test_watch_goes_on_after_a_failure_that_nobody_foresaw(store: Store) -> None:
    calls: list[None] = []
    is_enough = asyncio.Event()
    watch = _watch(make_house(), store, Clock())

    async def step() -> None:
        calls.append(None)
        if len(calls) == 3:
            is_enough.set()
        raise RuntimeError("x")

    task = asyncio.create_task(watch._repeat(step, 0.001))
    async with asyncio.timeout(60):
        await is_enough.wait()
    task.cancel()


async def test_drift_of_the_last_hour_and_of_the_last_day_are_shown_with_their_own_limits(store: Store) -> None:
    store.add([decision(at=NOW - 3 * 86_400 + number, bundle=BUNDLE) for number in range(300)])
    store.add([decision(at=NOW - 3000 + number, bundle=BUNDLE) for number in range(300)])
    house = make_house()

    await _watch(house, store, Clock()).measure()

    hour, day = (
        house.metric("guard_score_drift_limit_psi", policy="balanced", against="first_day", window=window)
        for window in ("1h", "24h")
    )
    assert (hour, day) == (0.2, 0.1)

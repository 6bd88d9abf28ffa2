"""Remembered counts are those of the store, whatever the window and however often one asks."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from guard.errors import StoreFailed
from guard.monitor.live import window_named
from guard.monitor.tallies import Tallies
from guard.store.store import Store
from guard.store.values import Count, Window
from guard.types import Action
from tests.monitor.stores import BUNDLE, NOW, a_store, decision

HOUR = 3600.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with a_store(tmp_path) as opened:
        yield opened


def _add(store: Store, began: float, ended: float, n: int = 300, policy: str = "balanced") -> None:
    random = np.random.default_rng(n)
    store.add(
        [
            decision(
                at=at,
                intended=Action.BLOCK if number % 5 == 0 else Action.ALLOW,
                bundle=BUNDLE if number % 3 else "c" * 64,
                policy=policy,
            )
            for number, at in enumerate(random.uniform(began, ended, n).tolist())
        ]
    )


def _by_kind(counts: list[Count]) -> Counter[tuple[str, Action]]:
    found: Counter[tuple[str, Action]] = Counter()
    for each in counts:
        found[each.stratum, each.intended] += each.n
    return found


@pytest.mark.parametrize("name", ["1h", "24h", "7d", "bundle"])
def test_counts_are_those_of_the_store_as_time_goes_on(store: Store, name: str) -> None:
    now = NOW
    tallies = Tallies(store, lambda: now)
    _add(store, NOW - 9 * 24 * HOUR, NOW)
    _add(store, NOW - 9 * 24 * HOUR, NOW, 50, policy="strict")

    for step in (60, 120, HOUR, 7 * HOUR, 30 * HOUR):
        _add(store, now, now + step, int(step / 60))
        now += step
        window = window_named(name, bundle=BUNDLE, now=now)
        assert _by_kind(tallies.counts(window, "balanced")) == _by_kind(store.counts(window, policy="balanced"))


def test_past_hours_are_read_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    _add(store, NOW - 6 * 24 * HOUR, NOW)
    tallies = Tallies(store, lambda: NOW)
    asked: list[Window] = []
    real = store.counts

    def counts(window: Window, step_s: float | None = None, policy: str | None = None) -> list[Count]:
        asked.append(window)
        return real(window, step_s, policy)

    monkeypatch.setattr(store, "counts", counts)
    tallies.counts(window_named("7d", bundle=BUNDLE, now=NOW), "balanced")
    asked.clear()
    tallies.counts(window_named("7d", bundle=BUNDLE, now=NOW), "balanced")

    assert asked
    assert all(each.until - each.since <= 2 * HOUR for each in asked)


def test_what_was_purged_is_forgotten_within_a_day(store: Store) -> None:
    now = NOW
    tallies = Tallies(store, lambda: now)
    _add(store, NOW - 5 * 24 * HOUR, NOW)
    tallies.counts(window_named("7d", bundle=BUNDLE, now=now), "balanced")
    store.purge(before=NOW - HOUR)

    now += 25 * HOUR
    window = window_named("7d", bundle=BUNDLE, now=now)

    assert _by_kind(tallies.counts(window, "balanced")) == _by_kind(store.counts(window, policy="balanced"))


def test_bundle_began_in_the_hour_of_its_first_decision(store: Store) -> None:
    tallies = Tallies(store, lambda: NOW)
    assert tallies.began(BUNDLE, "balanced", NOW) is None
    store.add([decision(at=NOW - 60)])
    recent = tallies.began(BUNDLE, "balanced", NOW)
    store.add([decision(at=NOW - 50.5 * HOUR)])

    assert recent is not None
    assert NOW - 2 * HOUR < recent <= NOW - 60
    assert Tallies(store, lambda: NOW).began(BUNDLE, "balanced", NOW) == (NOW - 50.5 * HOUR) // HOUR * HOUR


def test_hours_that_could_not_be_read_are_read_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    now = NOW
    tallies = Tallies(store, lambda: now)
    _add(store, NOW - 26 * HOUR, NOW + 6 * HOUR)
    ask = store.counts

    def fail(*asked: object) -> list[Count]:
        raise StoreFailed("gone")

    for _ in range(2):  # at the first question, and hours later
        window = window_named("24h", bundle=BUNDLE, now=now)
        monkeypatch.setattr(store, "counts", fail)
        with pytest.raises(StoreFailed):
            tallies.counts(window, "balanced")
        monkeypatch.setattr(store, "counts", ask)
        assert _by_kind(tallies.counts(window, "balanced")) == _by_kind(store.counts(window, policy="balanced"))
        now += 5 * HOUR


def test_what_an_outage_of_the_store_wrote_hours_late_is_counted_from_the_next_hour_on(store: Store) -> None:
    now = NOW
    tallies = Tallies(store, lambda: now)
    _add(store, NOW - 20 * HOUR, NOW)
    tallies.counts(window_named("24h", bundle=BUNDLE, now=now), "balanced")

    _add(store, NOW - 3 * HOUR, NOW - 2 * HOUR, 40)
    now += HOUR

    window = window_named("24h", bundle=BUNDLE, now=now)
    assert _by_kind(tallies.counts(window, "balanced")) == _by_kind(store.counts(window, policy="balanced"))

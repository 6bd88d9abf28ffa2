"""What a store needs now and then goes on whatever happened, and allow entries that cannot be read again end."""

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from guard.errors import StoreFull
from guard.store.opening import open_store
from guard.store.store import Store
from guard.store.upkeep import Upkeep
from guard.store_settings import StoreSettings
from tests.store.decisions import stored

_DAY_S = 86_400.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(str(tmp_path / "guard.db"), is_served=True)
    yield opened
    opened.close()


class Clock:
    """A time that stands still until it is told otherwise."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


def _upkeep(store: Store, clock: Clock) -> Upkeep:
    return Upkeep(store, StoreSettings(retention_days=30), now=clock)


@pytest.mark.parametrize("fault", [StoreFull("no room"), sqlite3.OperationalError("full"), ZeroDivisionError()])
def test_upkeep_goes_on_after_any_fault(store: Store, monkeypatch: pytest.MonkeyPatch, fault: Exception) -> None:
    monkeypatch.setattr("guard.store.upkeep._TURN_S", 0.01)
    old, clock = stored(at=time.time() - 31 * _DAY_S), Clock()
    store.add([old])
    upkeep = _upkeep(store, clock)

    def fail(**_: object) -> bool:
        raise fault

    with monkeypatch.context() as failing:
        failing.setattr(store, "checkpoint", fail)
        failing.setattr("guard.store.upkeep._PURGE_EVERY", 1_000_000)
        upkeep.start()
        time.sleep(0.1)
    monkeypatch.setattr("guard.store.upkeep._PURGE_EVERY", 2)
    deadline = time.monotonic() + 60
    while store.decision(old.id) is not None and time.monotonic() < deadline:
        time.sleep(0.02)

    assert store.decision(old.id) is None
    upkeep.stop()


def test_fault_of_a_checkpoint_has_a_code(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorname = "SQLITE_FULL"
        raise error

    with pytest.raises(StoreFull, match="full"), store._link.translated():
        full()


def test_entry_that_cannot_be_read_again_holds_for_a_minute(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, blocked = Clock(), stored()
    store.add([blocked])
    store.allow(blocked.id, until=clock.now + _DAY_S, by="ann", at=clock.now)
    upkeep = _upkeep(store, clock)
    upkeep.read_allowances()
    digest = bytes.fromhex(blocked.content_digest or "")
    assert upkeep.allows(digest, "balanced")
    assert not upkeep.allows(digest, "strict")

    clock.now += 61
    assert not upkeep.allows(digest, "balanced")
    upkeep.read_allowances()
    assert upkeep.allows(digest, "balanced")


def test_only_what_is_older_than_its_retention_is_forgotten(store: Store) -> None:
    clock = Clock()
    old, young = (stored(at=clock.now - days * _DAY_S) for days in (31, 29))
    store.add([old, young])
    _upkeep(store, clock)._purge()

    assert store.decision(old.id) is None
    assert store.decision(young.id) is not None

"""What is waited for is committed, what is handed in is written, and what is neither is counted."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from guard.errors import StoreFailed, StoreFull, StoreLocked
from guard.store import writer as writer_module
from guard.store.writer import Writer


class Shelf:
    """What was written, and what happens when something is."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.lost = 0
        self.failure: Exception | None = None
        self.poison: int | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.is_asked = threading.Event()

    def write(self, items: Sequence[int]) -> None:
        self.is_asked.set()
        self.gate.wait()
        if self.failure is not None:
            raise self.failure
        if self.poison in items:
            raise ValueError("a row that no table takes")
        self.batches.append(list(items))

    def lose(self, count: int) -> None:
        self.lost += count

    @property
    def written(self) -> list[int]:
        return [item for batch in self.batches for item in batch]


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def writer(shelf: Shelf) -> Iterator[Writer[int]]:
    made: Writer[int] = Writer(shelf.write, most=200, on_lost=shelf.lose)
    made.start()
    yield made
    shelf.gate.set()
    made.stop(60.0)


async def test_whoever_waits_is_told_after_the_write(writer: Writer[int], shelf: Shelf) -> None:
    await writer.commit(1, 60.0)

    assert shelf.written == [1]


async def test_those_who_wait_at_once_are_written_together(writer: Writer[int], shelf: Shelf) -> None:
    shelf.gate.clear()
    waiting = [asyncio.create_task(writer.commit(number, 60.0)) for number in range(30)]
    await asyncio.sleep(0.1)
    shelf.gate.set()
    await asyncio.gather(*waiting)

    assert sorted(shelf.written) == list(range(30))
    assert len(shelf.batches) < 10


async def test_whoever_waits_comes_before_what_was_handed_in(writer: Writer[int], shelf: Shelf) -> None:
    shelf.gate.clear()
    for number in range(200):
        assert writer.put(number)
    await asyncio.sleep(0.1)
    waiting = asyncio.create_task(writer.commit(-1, 60.0))
    await asyncio.sleep(0.05)
    shelf.gate.set()
    await waiting

    assert shelf.written.index(-1) <= 128  # behind the batch that was under way


def test_what_is_handed_in_is_written_in_its_order(writer: Writer[int], shelf: Shelf) -> None:
    for number in range(200):
        assert writer.put(number)
    writer.stop(60.0)

    assert shelf.written == list(range(200))
    assert max(map(len, shelf.batches)) <= 128


def test_queue_that_is_full_takes_nothing_more(writer: Writer[int], shelf: Shelf) -> None:
    shelf.gate.clear()
    taken = [writer.put(number) for number in range(220)]

    assert taken == [True] * 200 + [False] * 20


async def test_failure_is_told_to_those_who_wait_and_leaves_the_queue_as_it_is(
    writer: Writer[int], shelf: Shelf
) -> None:
    shelf.failure = StoreFull("no room")
    assert writer.put(1)
    with pytest.raises(StoreFull):
        await writer.commit(2, 60.0)
    assert isinstance(writer.failure, StoreFull)

    shelf.failure = None
    await writer.commit(3, 60.0)
    writer.stop(60.0)

    assert sorted(shelf.written) == [1, 3]
    assert not writer.failure
    assert shelf.lost == 0


async def test_failure_is_known_before_anybody_is_told_of_it(
    writer: Writer[int], shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    known: list[StoreFailed | None] = []
    tell = writer_module._tell

    def told(waiting: Any, error: StoreFailed | None) -> None:
        known.append(writer.failure)
        tell(waiting, error)

    monkeypatch.setattr(writer_module, "_tell", told)
    shelf.failure = StoreFull("no room")
    with pytest.raises(StoreFull):
        await writer.commit(1, 60.0)

    assert [type(each) for each in known] == [StoreFull]


async def test_one_bad_item_does_not_end_the_writing_of_others(writer: Writer[int], shelf: Shelf) -> None:
    shelf.poison = 7
    for number in range(20):
        assert writer.put(number)
    with pytest.raises(StoreFailed, match="ValueError"):
        await writer.commit(7, 60.0)
    writer.stop(60.0)

    assert shelf.written == [number for number in range(20) if number != 7]
    assert shelf.lost == 1


async def test_one_bad_item_fails_nobody_who_waits_with_it(writer: Writer[int], shelf: Shelf) -> None:
    shelf.poison = 7
    shelf.gate.clear()
    waiting = [asyncio.create_task(writer.commit(number, 60.0)) for number in range(20)]
    await asyncio.sleep(0.1)
    shelf.gate.set()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)

    assert [number for number, outcome in enumerate(outcomes) if outcome is not None] == [7]
    assert writer.failure is None  # the store works
    assert sorted(shelf.written) == [number for number in range(20) if number != 7]


async def test_wait_has_an_end(writer: Writer[int], shelf: Shelf) -> None:
    shelf.gate.clear()
    assert writer.put(0)
    assert await asyncio.to_thread(shelf.is_asked.wait, 60)  # this one holds the thread up
    with pytest.raises(StoreLocked, match=r"within 0\.1 s"):
        await writer.commit(1, 0.1)
    assert isinstance(writer.failure, StoreLocked)
    shelf.gate.set()
    writer.stop(60.0)

    assert shelf.written == [0]  # what nobody waits for any more is not written behind their back


def test_what_is_left_at_the_end_is_counted_as_lost(shelf: Shelf) -> None:
    shelf.failure = StoreFull("no room")
    writer: Writer[int] = Writer(shelf.write, most=100, on_lost=shelf.lose)
    for number in range(5):
        assert writer.put(number)
    writer.start()
    writer.stop(60.0)

    assert shelf.lost == 5

import asyncio

import pytest

from guard.core.flights import Flights


class Work:
    """Work that ends when it is told to, and knows how often it was begun and dropped."""

    def __init__(self) -> None:
        self.begun = self.dropped = 0
        self.done = asyncio.Event()

    async def __call__(self) -> int:
        self.begun += 1
        try:
            await self.done.wait()
        except asyncio.CancelledError:
            self.dropped += 1
            raise
        return self.begun


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_callers_of_one_key_share_one_piece_of_work() -> None:
    flights, work = Flights[int](), Work()
    callers = [asyncio.create_task(flights.join(b"k", work)) for _ in range(3)]
    await _settle()
    work.done.set()

    assert await asyncio.gather(*callers) == [1, 1, 1]


async def test_keys_do_not_share_and_results_are_not_remembered() -> None:
    flights, work = Flights[int](), Work()
    work.done.set()

    assert [await flights.join(key, work) for key in (b"a", b"b", b"a")] == [1, 2, 3]


async def test_caller_that_leaves_takes_nothing_from_the_others() -> None:
    flights, work = Flights[int](), Work()
    leaving, staying = (asyncio.create_task(flights.join(b"k", work)) for _ in range(2))
    await _settle()
    leaving.cancel()
    await _settle()
    work.done.set()

    assert await staying == 1
    assert leaving.cancelled()
    assert work.dropped == 0


async def test_work_is_dropped_with_the_last_caller_and_begun_anew_for_the_next() -> None:
    flights, work = Flights[int](), Work()
    leaving = asyncio.create_task(flights.join(b"k", work))
    await _settle()
    leaving.cancel()
    await _settle()
    work.done.set()

    assert work.dropped == 1
    assert await flights.join(b"k", work) == 2


async def test_failure_reaches_every_caller() -> None:
    flights: Flights[int] = Flights()

    async def fail() -> int:
        await asyncio.sleep(0)
        raise LookupError("x")

    outcomes = await asyncio.gather(*(flights.join(b"k", fail) for _ in range(2)), return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [LookupError, LookupError]


async def test_cancelling_all_reaches_the_callers() -> None:
    flights, work = Flights[int](), Work()
    caller = asyncio.create_task(flights.join(b"k", work))
    await _settle()
    flights.cancel()

    with pytest.raises(asyncio.CancelledError):
        await caller

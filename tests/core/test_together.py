import asyncio

import pytest

from guard.core.together import together
from guard.errors import ScorerFailed


async def _after(turns: int, value: int) -> int:
    for _ in range(turns):
        await asyncio.sleep(0)
    return value


async def _fail(error: Exception) -> int:
    await asyncio.sleep(0)
    raise error


async def test_results_come_in_the_order_of_the_work() -> None:
    assert await together(_after(turns, turns) for turns in (3, 1, 2)) == [3, 1, 2]


async def test_no_work_has_no_results() -> None:
    assert await together(_after(0, value) for value in range(0)) == []


async def test_first_exception_is_raised_as_it_is_and_ends_the_rest() -> None:
    has_ended = False

    async def endless() -> int:
        nonlocal has_ended
        try:
            await asyncio.Event().wait()
        finally:
            has_ended = True
        return 0

    with pytest.raises(ScorerFailed, match=r"^first$"):
        await together([endless(), _fail(ScorerFailed("first")), _fail(ValueError("second"))])

    assert has_ended


async def test_cancelling_ends_all_of_it() -> None:
    task = asyncio.create_task(together(_after(10**9, 0) for _ in range(3)))  # noqa: RUF006 - it is awaited below
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task

    assert asyncio.all_tasks() == {asyncio.current_task()}

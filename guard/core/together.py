"""Several things done at once, none of which outlives the others' failure."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

Value = TypeVar("Value")


async def together(work: Iterable[Coroutine[Any, Any, Value]]) -> list[Value]:
    """Return the results in the order of `work`.

    The first exception ends the rest, and is raised as it is, without a group around it, once all of it has ended.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(coroutine) for coroutine in work]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]

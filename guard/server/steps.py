"""Steps that several workers take: all of them, or nobody knows what they serve."""

import asyncio
import logging
from collections.abc import Sequence

from guard.errors import GuardError, SwapRefused
from guard.server.spawning import WorkerProcess

_log = logging.getLogger("guard.server")

STEP_S = 20.0


async def agree(workers: Sequence[WorkerProcess], step: str, *, timeout_s: float = STEP_S, **said: object) -> str:
    """Return the digest that every worker answers to a step. Raises GuardError: the first reason against it."""
    answers = await asyncio.gather(
        *(worker.peer.call(step, timeout_s=timeout_s, **said) for worker in workers), return_exceptions=True
    )
    for answer in answers:
        if isinstance(answer, GuardError):
            raise answer
        if isinstance(answer, BaseException):
            raise SwapRefused(f"a worker did not take part ({step})") from answer
    if len(set(answers)) > 1:
        raise SwapRefused("the bundle changed while the workers opened it")
    return str(answers[0])


async def tell(workers: Sequence[WorkerProcess], step: str, *, timeout_s: float = STEP_S) -> list[WorkerProcess]:
    """Have every worker take a step, and return those that did not."""
    answers = await asyncio.gather(
        *(worker.peer.call(step, timeout_s=timeout_s) for worker in workers), return_exceptions=True
    )
    pairs = zip(workers, answers, strict=True)
    return [worker for worker, answer in pairs if isinstance(answer, BaseException)]


async def go_back(workers: Sequence[WorkerProcess]) -> None:
    """Have every worker serve what it served before, and end those that do not."""
    for worker in await tell(workers, "revert"):
        _log.error("worker %d does not go back: it is started anew", worker.process.pid)
        worker.kill()

"""Asking with patience: from the cache if it is there, at a given pace, again after a pause, within a budget."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from benchmark.mllm.asking import Asker, Asking, GivenUp, Reply, Request, TryAgain, Unjudgeable
from benchmark.mllm.cache import AnswerCache
from benchmark.mllm.purse import Purse

_LONGEST_PAUSE_S = 60.0
_LONGEST_WAIT_S = 600.0  # that an API may ask for
_SPREAD_S = 0.25  # between requests that waited for the end of a pause


@dataclass(frozen=True, slots=True)
class Answered:
    """A reply, and what it took."""

    reply: Reply
    requests: int  # sent for it now: 0 from the cache
    is_cached: bool


class Caller:
    """Asks one model. A pause that the API asks for holds back every request, not only the one that was turned down.

    Args:
        asker: the model.
        asking: pace, attempts, budget.
        sleep, clock: stand-ins in tests.
    """

    def __init__(
        self,
        asker: Asker,
        asking: Asking,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._asker, self._asking = asker, asking
        self._cache = AnswerCache(asking.cache) if asking.cache is not None else None
        self._sleep, self._clock = sleep, clock
        self._random = random.Random(asking.seed)  # noqa: S311 - spreads pauses, keeps no secret
        self._next_turn = float("-inf")
        self._not_before = float("-inf")
        self._purse = Purse(asking.max_cost_usd)

    async def reply(self, request: Request) -> Answered:
        """Return the model's answer.

        Raises:
            GivenUp: no answer in all attempts.
            Unjudgeable: the model cannot see this content.
            UsageError: the dollars are spent, or no request can succeed.
        """
        digest = request.digest(self._asker.facts)
        if self._cache is not None and (kept := await asyncio.to_thread(self._cache.get, digest)) is not None:
            return Answered(kept, 0, is_cached=True)
        for attempt in range(1, self._asking.attempts + 1):
            failure: TryAgain
            try:
                async with self._purse.call():
                    return await self._answered(request, digest, attempt)
            except TimeoutError:
                failure = TryAgain("target_timeout")
            except TryAgain as error:
                failure = error
            except (GivenUp, Unjudgeable) as error:
                error.requests = attempt
                raise
            if attempt < self._asking.attempts:
                await self._pause(attempt, failure.after_s)
        given_up = GivenUp(failure.code)
        given_up.requests = attempt
        raise given_up

    async def _answered(self, request: Request, digest: str, attempt: int) -> Answered:
        await self._turn()
        started = self._clock()
        async with asyncio.timeout(self._asking.timeout_s):
            reply = await self._asker.ask(request)
        kept = replace(reply, latency_ms=round(1000 * (self._clock() - started), 3))
        if self._cache is not None:
            await asyncio.to_thread(self._cache.put, digest, kept)
        self._purse.pay(reply)  # what was paid for is kept, whether or not the run goes on
        return Answered(kept, attempt, is_cached=False)

    async def _turn(self) -> None:
        """Wait until the pace allows a request. Turns are handed out before the wait, so that no two share one."""
        pace_s = 60 / self._asking.requests_per_minute if self._asking.requests_per_minute is not None else 0.0
        while True:
            now = self._clock()
            turn = max(now, self._next_turn, self._not_before)
            # Those that a pause held back would all come at its end, and be turned down again.
            self._next_turn = turn + (max(pace_s, _SPREAD_S) if self._not_before > now else pace_s)
            if turn > now:
                await self._sleep(turn - now)
            if self._not_before <= turn:  # or a longer pause was asked for meanwhile
                return

    async def _pause(self, attempt: int, after_s: float | None) -> None:
        growing = min(_LONGEST_PAUSE_S, 2.0 ** (attempt - 1)) * (0.5 + self._random.random() / 2)
        if after_s is None:
            await self._sleep(growing)
            return
        # No less than without being asked: an API that says 0 would be asked to its limit at once.
        self._not_before = max(self._not_before, self._clock() + max(growing, min(after_s, _LONGEST_WAIT_S)))

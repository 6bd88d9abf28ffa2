"""The scorer boundary: a scorer may be slow, hang or raise anything, and nothing but a `GuardError` comes through."""

import asyncio
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from guard.errors import GuardError, ScorerFailed, ScorerTimeout
from guard.pipeline.readings import most_unsafe
from guard.pipeline.stages import Stages
from guard.ports import Scorer
from guard.telemetry import Telemetry
from guard.types import Frame, PreparedPair, Scores

_log = logging.getLogger(__name__)


class BoundedScorer:
    """Asks a scorer for one pair at a time, `threads` side by side, each with a deadline of `timeout_s`."""

    def __init__(self, scorer: Scorer, *, threads: int, timeout_s: float, telemetry: Telemetry) -> None:
        self._scorer = scorer
        self._telemetry = telemetry
        self._slots = asyncio.Semaphore(threads)
        self._timeout_s = timeout_s
        self._answered_at = float("-inf")

    async def score(self, readings: Sequence[PreparedPair], stages: Stages) -> Scores:
        """Return the scores of a pair, the most unsafe of its readings; the deadline includes the wait for a slot.

        Raises:
            TextTooLong: a text, alone or beside its pictures, needs more windows than the scorer judges.
            ScorerTimeout: no answer in time.
            ScorerFailed: the scorer raised, or gave another number of scores.
        """
        with self._boundary():
            async with asyncio.timeout(self._timeout_s):
                with stages("queue"), self._telemetry.queued():
                    await self._slots.acquire()
                try:
                    self._telemetry.scored_at_once(len(readings))
                    with stages("score"):
                        scores = await self._scorer.score(readings)
                finally:
                    self._slots.release()
            if len(scores) != len(readings):
                raise ScorerFailed(f"{len(scores)} scores for {len(readings)} readings")
        self._answered_at = time.monotonic()
        return most_unsafe(scores)

    async def writing_likelihood(self, frame: Frame, deadline: float) -> float:
        """Return how likely a frame holds writing, in [0, 1]; `deadline` is in the time of the event loop.

        Raises:
            ScorerTimeout: no answer by then.
            ScorerFailed: the scorer raised.
        """
        with self._boundary():
            async with asyncio.timeout_at(deadline):
                return await self._scorer.text_likelihood(frame)

    async def answers(self) -> bool:
        """Return whether the scorer gives scores: it did for a pair within the last `timeout_s`, or does now.

        Waits for no slot: else a crowd of requests would make every replica look broken at once.
        """
        if time.monotonic() - self._answered_at < self._timeout_s:
            return True
        try:
            with self._boundary():
                async with asyncio.timeout(self._timeout_s):
                    (_,) = await self._scorer.score([PreparedPair("ready")])
        except GuardError:
            return False
        return True

    @contextmanager
    def _boundary(self) -> Iterator[None]:
        try:
            yield
        except ScorerFailed:
            self._answered_at = float("-inf")
            raise
        except GuardError:
            raise
        except TimeoutError as error:
            raise ScorerTimeout(f"no scores within {self._timeout_s} s") from error
        except Exception as error:
            self._answered_at = float("-inf")
            # The message may quote content; its type does not.
            _log.error("the scorer raised %s", type(error).__name__)
            raise ScorerFailed(f"the scorer raised {type(error).__name__}") from error

"""Raw scores of pairs by one guard, kept in the same files as those of a calibration, and codes of what has none.

Unlike a calibration, a gate goes on when a picture vanished or nothing at all could be judged: it counts that.
"""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from guard.bundle import Bundle
from guard.calibration import Memory, ScoreFile, outcome_of
from guard.pipeline import Guard
from guard.release.opening import gate_settings, open_measured
from guard.suites import LabelledPair, Suite

PICTURE_GONE = "picture_gone"  # the file was there when the suite was loaded

Progress = Callable[[str, int, int], None]  # what, how many done, of how many


@dataclass(frozen=True, slots=True, eq=False)
class RawScores:
    """What a guard made of pairs: a raw score, or the code of why there is none, by id."""

    of: Mapping[str, float | str] = field(default_factory=dict)

    def scores(self, pairs: Sequence[LabelledPair]) -> NDArray[np.float64]:
        """Return raw scores, shape (pairs,), NaN where a pair could not be judged."""
        found = (self.of[pair.id] for pair in pairs)
        return np.array([np.nan if isinstance(outcome, str) else outcome for outcome in found], dtype=np.float64)

    def codes(self, pairs: Sequence[LabelledPair]) -> list[str]:
        """Return the codes of the pairs that could not be judged."""
        return [outcome for pair in pairs if isinstance(outcome := self.of[pair.id], str)]


class Scoring:
    """Scores suites by one bundle. Open it with `async with`."""

    def __init__(self, bundle: Bundle, name: str, memory: Memory | None, on_progress: Progress) -> None:
        self._bundle = bundle
        self._name = name
        self._memory = memory
        self._on_progress = on_progress
        self._guard: Guard | None = None

    async def __aenter__(self) -> "Scoring":
        self._guard = await open_measured(self._bundle)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._guard is not None:
            await self._guard.aclose()

    async def score(self, suite: Suite) -> RawScores:
        """Return what the bundle makes of each pair of a suite; what is known already is not scored again."""
        guard = self._guard
        if guard is None:
            raise RuntimeError("scoring is not open")
        file = (
            ScoreFile(None)
            if self._memory is None
            else self._memory.scores(guard.bundle, suite, gate_settings(guard.bundle))
        )
        known = file.read()
        outcomes = {pair.id: known[pair.id] for pair in suite.pairs if pair.id in known}
        waiting = iter([pair for pair in suite.pairs if pair.id not in outcomes])
        what, total = f"{self._name}: {suite.name}", len(suite.pairs)
        self._on_progress(what, len(outcomes), total)

        async def work() -> None:
            for pair in waiting:
                outcome, is_lasting = await judge(guard, pair)
                outcomes[pair.id] = outcome
                if is_lasting:
                    file.append(pair.id, outcome)
                self._on_progress(what, len(outcomes), total)

        await asyncio.gather(*(work() for _ in range(2 * (os.cpu_count() or 1))))
        return RawScores(outcomes)


async def judge(guard: Guard, labelled: LabelledPair) -> tuple[float | str, bool]:
    """Return the raw score of a pair or the code of why there is none, and whether it would be the same tomorrow."""
    try:
        pair = await asyncio.to_thread(labelled.to_pair)
    except OSError:
        return PICTURE_GONE, False
    return outcome_of(await guard.assess(pair))

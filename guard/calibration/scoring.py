"""Raw scores of a suite through the whole guard: the same preparation, OCR and scorer as a served request."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import compress
from pathlib import Path
from typing import Protocol

import numpy as np
import orjson
from numpy.typing import NDArray

from guard.calibration.labelled import Labelled
from guard.calibration.traffic import is_kept
from guard.errors import CalibrationInvalid, SuiteInvalid
from guard.stats.draws import in_second_half, thinned
from guard.suites import LabelledPair, Suite
from guard.types import Assessment, Pair

_log = logging.getLogger(__name__)
# Of raw scores: what another processor makes of the same pair, and how many pairs may be off by more.
_MOST_OFF, _FEW = 0.25, 0.05


class Assessor(Protocol):
    """What scores: `guard.pipeline.Guard`, or a fake."""

    async def assess(self, pair: Pair) -> Assessment:
        """Return raw scores, or the code of why there are none."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Scored(Labelled):
    """The pairs of a suite that were judged whole, with the raw score of each; the others are counted by reason."""

    suite: Suite
    pairs: tuple[LabelledPair, ...]
    scores: NDArray[np.float64]  # (pairs,), finite
    unjudged: dict[str, str]  # id -> code
    n_thinned: int = 0  # left out so that all remaining pairs were sampled with equal probability
    n_other_scores: int = 0  # scored otherwise than when they were drawn: then their traffic says nothing here

    @property
    def second(self) -> NDArray[np.bool_]:
        """Return which pairs are in half B, shape (pairs,).

        Groups stay whole. Of traffic each decision falls into a half of its own, as if half B had been drawn by itself.
        """
        return in_second_half(self.groups if self.suite.traffic is None else [pair.id for pair in self.pairs])


class ScoreFile:
    """Raw scores that were already computed, one JSON line a pair: ids and numbers, no content.

    A run that was cut off goes on where it stopped. The caller names the file after everything that the scores depend
    on. Without a path nothing is kept.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def read(self) -> dict[str, float | str]:
        """Return the score, or the code of an unjudged pair, by id. Damaged lines are left out."""
        if self._path is None or not self._path.is_file():
            return {}
        try:
            lines = self._path.read_bytes().splitlines()
        except OSError as error:
            self._give_up(error)
            return {}
        return dict(filter(None, map(_outcome_in, lines)))

    def append(self, pair_id: str, outcome: float | str) -> None:
        """Keep the outcome of one pair. Where that fails, it is said once, and no more is kept."""
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as file:
                file.write(b"\n" + orjson.dumps([pair_id, outcome]))
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        _log.warning("scores are not kept: %s: %s", self._path, error.strerror)
        self._path = None


def _outcome_in(line: bytes) -> tuple[str, float | str] | None:
    """Return id and outcome in a line of a score file; None where it is damaged."""
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    match document:
        case [str() as pair_id, str() | float() as outcome]:
            return pair_id, outcome
    return None


async def score_suite(
    assessor: Assessor,
    suite: Suite,
    *,
    file: ScoreFile,
    side_by_side: int = 2,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Scored:
    """Return the raw scores of a suite.

    Args:
        assessor: the guard to calibrate.
        suite: sampled with equal probability, or thinned here until it is.
        file: scores that are known already.
        side_by_side: how many pairs are under way at once.
        on_progress: told how many pairs of how many are done.

    Raises:
        CalibrationInvalid: an id occurs twice, or not a single pair could be judged.
        SuiteInvalid: a picture vanished after the suite was loaded.
    """
    pairs = evenly_sampled(suite)
    outcomes = file.read()
    waiting = iter([pair for pair in pairs if pair.id not in outcomes])
    done = sum(pair.id in outcomes for pair in pairs)
    on_progress(done, len(pairs))

    async def work() -> None:
        nonlocal done
        for pair in waiting:
            outcome, is_lasting = outcome_of(await assessor.assess(read_pair(pair, suite)))
            outcomes[pair.id] = outcome
            if is_lasting:
                file.append(pair.id, outcome)
            done += 1
            on_progress(done, len(pairs))

    await asyncio.gather(*(work() for _ in range(side_by_side)))
    return _collect(suite, pairs, outcomes)


def evenly_sampled(suite: Suite) -> list[LabelledPair]:
    """Return pairs that were sampled with the same probability: all of them, or where there is traffic those of a cell.

    Raises CalibrationInvalid for an id twice.
    """
    _refuse_duplicates(suite.pairs)
    if suite.traffic is not None:
        places = {id_: place for id_, place in suite.traffic.drawn.items() if is_kept(id_, place, suite.traffic)}
        return [pair for pair in suite.pairs if pair.id in places]
    kept = thinned([p.id for p in suite.pairs], np.array([p.sampling_probability for p in suite.pairs]))
    return [pair for pair, keep in zip(suite.pairs, kept, strict=True) if keep]


def read_pair(pair: LabelledPair, suite: Suite) -> Pair:
    """Return the pair as Guard judges it. Raises SuiteInvalid when a picture vanished after the suite was loaded."""
    try:
        return pair.to_pair()
    except OSError as error:
        raise SuiteInvalid(f"{suite.path}: the picture of {pair.id} cannot be read: {error.strerror}") from error


def outcome_of(assessment: Assessment) -> tuple[float | str, bool]:
    """Return the raw score or the code of why there is none, and whether it would be the same tomorrow."""
    if assessment.scores is None or assessment.code is not None:
        return assessment.code or "unjudged", not assessment.failed
    return assessment.scores.unsafe, True


def _collect(suite: Suite, pairs: list[LabelledPair], outcomes: dict[str, float | str]) -> Scored:
    scored: list[tuple[LabelledPair, float]] = []
    unjudged: dict[str, str] = {}
    for pair in pairs:
        outcome = outcomes[pair.id]
        if isinstance(outcome, str):
            unjudged[pair.id] = outcome
        else:
            scored.append((pair, outcome))
    if not scored:
        codes = ", ".join(sorted(set(unjudged.values())))
        raise CalibrationInvalid(f"{suite.path}: none of {len(pairs)} pairs could be judged ({codes})")
    found = Scored(
        suite=suite,
        pairs=tuple(pair for pair, _ in scored),
        scores=np.array([score for _, score in scored], dtype=np.float64),
        unjudged=unjudged,
        n_thinned=len(suite.pairs) - len(pairs),
    )
    return found if suite.traffic is None else _of_same_scores(found)


def _of_same_scores(scored: Scored) -> Scored:
    """Return the pairs with their traffic, or without where that was judged by another model."""
    traffic = scored.suite.traffic
    places = {} if traffic is None else traffic.drawn
    told = [places[pair.id].score for pair in scored.pairs]
    off = sum(
        was is None or abs(was - now) > _MOST_OFF for was, now in zip(told, scored.scores.tolist(), strict=True)
    ) - told.count(None)
    if off <= _FEW * len(told):
        return scored
    even = {pair.id for pair in evenly_sampled(replace(scored.suite, traffic=None))}
    rows = np.array([pair.id in even for pair in scored.pairs], dtype=np.bool_)
    return Scored(
        suite=replace(scored.suite, traffic=None),
        pairs=tuple(compress(scored.pairs, rows)),
        scores=scored.scores[rows],
        unjudged={id_: code for id_, code in scored.unjudged.items() if id_ in even},
        n_thinned=len(scored.suite.pairs) - len(even),
        n_other_scores=off,
    )


def _refuse_duplicates(pairs: Iterable[LabelledPair]) -> None:
    seen: set[str] = set()
    for pair in pairs:
        if pair.id in seen:
            raise CalibrationInvalid(f"id {pair.id!r} occurs twice")
        seen.add(pair.id)

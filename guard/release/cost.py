"""What a candidate costs beside the baseline, on this machine, in turns: time to judge a pair, and resident memory.

Figures of a machine drift with its load; a ratio of two that were taken in turns does not.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from guard.bundle import Bundle
from guard.pipeline import Guard
from guard.release.check import UNDEFINED, Check
from guard.release.margins import Margins
from guard.release.opening import open_measured
from guard.release.scoring import Progress
from guard.stats.bootstrap import Estimate
from guard.stats.paired import Verdict
from guard.suites import LabelledPair

_ROUNDS = 3
_RESAMPLES = 2000
_SEED = 20_250_214
_FEWEST = 10  # pairs; below that the interval of a median means nothing


async def check_latency(
    pairs: Sequence[LabelledPair], candidate: Bundle, baseline: Bundle, margins: Margins, on_progress: Progress
) -> list[Check]:
    """Return the ratios of times to judge a pair, one at a time in one thread, with nothing remembered.

    The first is the median over pairs of each pair's own ratio: the median time of a mixture of texts and pictures lies
    in the gap between them. The second is that of all pairs together, which a few slow ones decide: a candidate that
    has the writing in more pictures read shows there.
    """
    async with AsyncExitStack() as opened:
        guards = []
        for bundle in (candidate, baseline):
            guards.append(await open_measured(bundle, remember=False, threads=1))
            opened.push_async_callback(guards[-1].aclose)
        times = await _interleaved(guards, pairs, on_progress)
    if not len(pairs):
        return [_check("latency", UNDEFINED, margins.latency, "no pair could be timed", (None, None), n=0)]
    mine, theirs = times.min(axis=1)  # (pairs,) each, the best round: what else the machine does only adds to it
    checks = []
    for place, middle in (("latency", np.median), ("latency, mean", np.mean)):
        reached = float(middle(mine)), float(middle(theirs))
        ratio = _ratio(mine, theirs, of_medians=place == "latency")
        reason = f"{reached[0]:.2f} ms a pair, baseline {reached[1]:.2f} ms; {len(pairs)} pairs, {_ROUNDS} rounds"
        checks.append(_check(place, ratio, margins.latency, reason, reached, n=len(pairs)))
    return checks


def check_memory(candidate: Bundle, baseline: Bundle, margins: Margins, on_progress: Progress) -> Check:
    """Return the ratio of median peaks of resident memory, each measured in a process of its own, in turns.

    Beside it stands the range of the ratios that any two of these processes have, which is no confidence interval.
    """
    peaks: NDArray[np.float64] = np.empty((2, _ROUNDS))
    for turn in range(2 * _ROUNDS):
        on_progress("memory", turn, 2 * _ROUNDS)
        side = turn % 2
        peak = _peak_mb((candidate, baseline)[side])
        if peak is None:
            who = ("candidate", "baseline")[side]
            return _check("memory", UNDEFINED, margins.memory, f"the process of the {who} failed", (None, None), n=turn)
        peaks[side, turn // 2] = peak
    on_progress("memory", 2 * _ROUNDS, 2 * _ROUNDS)
    mine, theirs = np.median(peaks, axis=1)
    low, high = peaks[0].min() / peaks[1].max(), peaks[0].max() / peaks[1].min()
    ratio = Estimate(float(mine / theirs), float(low), float(high))
    reason = f"peak {mine:.0f} MB, baseline {theirs:.0f} MB, median of {_ROUNDS} processes each"
    check = _check("memory", ratio, margins.memory, reason, (float(mine), float(theirs)), n=_ROUNDS)
    return replace(check, bounds="range")


async def _interleaved(
    guards: Sequence[Guard], pairs: Sequence[LabelledPair], on_progress: Progress
) -> NDArray[np.float64]:
    """Return milliseconds, shape (2, rounds, pairs). Who goes first changes from pair to pair."""
    times: NDArray[np.float64] = np.empty((2, _ROUNDS + 1, len(pairs)))
    total = (_ROUNDS + 1) * len(pairs)
    for turn in range(_ROUNDS + 1):
        for number, labelled in enumerate(pairs):
            on_progress("latency", turn * len(pairs) + number, total)
            pair = await asyncio.to_thread(labelled.to_pair)
            for side in ((0, 1), (1, 0))[(turn + number) % 2]:
                start = time.perf_counter()
                await guards[side].assess(pair)
                times[side, turn, number] = (time.perf_counter() - start) * 1000
    on_progress("latency", total, total)
    return times[:, 1:]  # the first round warms up


def _ratio(mine: NDArray[np.float64], theirs: NDArray[np.float64], *, of_medians: bool) -> Estimate:
    """Return the median of pairs' ratios, or the ratio of sums, between one-sided 95 % bounds over drawn pairs."""
    n = len(mine)
    if n < _FEWEST:
        return UNDEFINED
    rows = np.random.default_rng(_SEED).integers(0, n, (_RESAMPLES, n))
    rows = np.concatenate([np.arange(n)[None], rows])  # the first is the data itself
    if of_medians:
        drawn = np.median((mine / theirs)[rows], axis=1)
    else:
        drawn = mine[rows].sum(axis=1) / theirs[rows].sum(axis=1)
    low, high = np.quantile(drawn[1:], [0.05, 0.95])
    return Estimate(float(drawn[0]), float(low), float(high))


def _peak_mb(bundle: Bundle) -> float | None:
    """Return the peak of a process that judges by a bundle; None where it fails."""
    program = [sys.executable, "-m", "guard.release.resident", str(bundle.path), bundle.digest]
    done = subprocess.run(program, capture_output=True, text=True, check=False)  # noqa: S603 - this interpreter
    return float(done.stdout.split()[-1]) if done.returncode == 0 else None


def _check(
    place: str,
    ratio: Estimate,
    margin: float | None,
    reason: str,
    reached: tuple[float | None, float | None],
    *,
    n: int,
) -> Check:
    verdict: Verdict | None = None
    if margin is not None:
        verdict = "cannot_tell"
        if ratio.low is not None and ratio.high is not None and (ratio.high <= margin or ratio.low > margin):
            verdict = "holds" if ratio.high <= margin else "fails"
    return Check(
        kind="cost",
        place=place,
        verdict=verdict,
        reason=reason,
        unit="ratio",
        candidate=reached[0],
        baseline=reached[1],
        difference=ratio,
        margin=margin,
        figures={"n": n},
    )

"""Times of one batch size: run by run with the device waited for, and back to back."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class BatchTiming:
    """One batch size: milliseconds of a run that is waited for, pairs a second of runs back to back."""

    batch: int
    runs: int
    p50_ms: float
    p99_ms: float
    pairs_s: float


def time_batch(
    batch: int, run: Callable[[], object], wait: Callable[[], object], *, runs: int, warm_runs: int
) -> BatchTiming:
    """Return the times of `run`, which judges `batch` pairs; `wait` returns when the device is done."""
    for _ in range(warm_runs):
        run()
    wait()
    taken = [_seconds(run, wait) for _ in range(runs)]

    def back_to_back() -> None:
        for _ in range(runs):
            run()

    p50_ms, p99_ms = np.percentile(taken, [50, 99]) * 1000
    return BatchTiming(batch, runs, float(p50_ms), float(p99_ms), batch * runs / _seconds(back_to_back, wait))


def median_seconds(run: Callable[[], object], wait: Callable[[], object], *, runs: int, warm_runs: int) -> float:
    """Return the median time of `run` after `warm_runs` that do not count."""
    for _ in range(warm_runs):
        run()
    wait()
    return statistics.median(_seconds(run, wait) for _ in range(runs))


def _seconds(run: Callable[[], object], wait: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    wait()
    return time.perf_counter() - started

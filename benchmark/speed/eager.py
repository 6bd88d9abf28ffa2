"""Guard beside eager PyTorch: the same pairs in turn in one process, one thread each, no caches, medians.

Run as `python -m benchmark.speed.eager BUNDLE REPEATS`; prints one JSON object.
"""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import uvloop

from benchmark.speed.eager_guard import EagerGuard
from benchmark.speed.latency import ask
from benchmark.speed.pictures import draw_scene
from guard import Bundle, Guard, Pair, Settings, open_guard
from guard.errors import GuardError, UsageError
from guard.types import ImageInput

_WARM = 5  # pairs judged before the clock counts


@dataclass(frozen=True, slots=True)
class Beside:
    """One kind of pair, judged by both in turn: milliseconds over the same `n` pairs; `ratio` is of the medians."""

    n: int
    guard_p50_ms: float
    guard_p95_ms: float
    eager_p50_ms: float
    eager_p95_ms: float
    ratio: float


def compare_with_eager(bundle: str, *, repeats: int) -> dict[str, Beside]:
    """Return the comparison by kind of pair, `text` and `picture` (OCR off), taken in a process of its own.

    Raises:
        UsageError: the process failed; the message is its last line.
    """
    command = [sys.executable, "-m", "benchmark.speed.eager", bundle, str(repeats)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)  # noqa: S603 - our own
    if done.returncode:
        raise UsageError((done.stderr.strip().splitlines() or ["no output"])[-1][:200])
    return {kind: Beside(**beside) for kind, beside in json.loads(done.stdout).items()}


async def _compare(bundle: str, repeats: int) -> dict[str, Beside]:
    settings = {"bundle": bundle, "threads": 1, "ocr": {"mode": "off"}, "cache": {"verdicts": 0, "pictures": 0}}
    eager = EagerGuard(Bundle.load(bundle))
    guard = open_guard(Settings.model_validate(settings))
    texts = [Pair(ask(n)) for n in range(repeats + _WARM)]
    pictures = [Pair(pair.text, (ImageInput(data=draw_scene(n)),)) for n, pair in enumerate(texts)]
    try:
        if not await guard.ready():
            raise UsageError("the scorer does not answer")
        return {
            "text": await _in_turn(guard, eager, texts),
            "picture": await _in_turn(guard, eager, pictures),
        }
    finally:
        await guard.aclose()


async def _in_turn(guard: Guard, eager: EagerGuard, pairs: Sequence[Pair]) -> Beside:
    """Judge each pair by both; who comes first changes every time, as the first finds the caches colder."""
    spent: dict[str, list[float]] = {"guard": [], "eager": []}

    async def by_guard(pair: Pair) -> None:
        started = time.perf_counter()
        assessment = await guard.assess(pair)
        spent["guard"].append((time.perf_counter() - started) * 1000)
        if assessment.code is not None:
            raise UsageError(f"a drawn pair was not judged: {assessment.code}")

    def by_eager(pair: Pair) -> None:
        started = time.perf_counter()
        eager.judge(pair)
        spent["eager"].append((time.perf_counter() - started) * 1000)

    for number, pair in enumerate(pairs):
        if number % 2:
            by_eager(pair)
            await by_guard(pair)
        else:
            await by_guard(pair)
            by_eager(pair)
    (guard_p50, guard_p95), (eager_p50, eager_p95) = (
        np.percentile(taken[_WARM:], [50, 95]).tolist() for taken in spent.values()
    )
    return Beside(len(pairs) - _WARM, guard_p50, guard_p95, eager_p50, eager_p95, eager_p50 / guard_p50)


if __name__ == "__main__":
    try:
        _found = uvloop.run(_compare(sys.argv[1], int(sys.argv[2])))
    except GuardError as _error:
        raise SystemExit(str(_error)) from None
    sys.stdout.write(json.dumps({kind: asdict(beside) for kind, beside in _found.items()}))

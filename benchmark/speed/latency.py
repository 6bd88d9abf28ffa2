"""How long Guard takes to judge what it has never seen: one thread, no caches, one pair after the other.

Run as `python -m benchmark.speed.latency BUNDLE REPEATS`; prints one JSON object.
"""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from typing import Literal

import numpy as np
import uvloop

from benchmark.speed.pictures import draw_scene, draw_writing
from guard import Pair, Settings, open_guard
from guard.errors import GuardError, UsageError
from guard.types import ImageInput

_SUBJECTS = ("the garden", "a long train ride", "my sister's birthday", "a rainy weekend", "the school play")
_REQUEST = "Please write down {n} ideas for {subject}, with a shopping list and a plan for the day, in plain words."


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds over `n` pairs, each judged once; `stages_ms` holds the median of each stage."""

    n: int
    p50_ms: float
    p95_ms: float
    stages_ms: dict[str, float]


def can_read() -> bool:
    """Return whether the package that reads writing in pictures is installed."""
    return find_spec("rapidocr") is not None


def measure_latency(bundle: str, *, repeats: int) -> dict[str, Timing]:
    """Return timings by kind of pair, taken in a process of their own.

    Kinds: `text`, `picture` (OCR off), and where it can be read `writing` (OCR always), on a fifteenth of the repeats.

    Raises:
        UsageError: the process failed; the message is its last line.
    """
    command = [sys.executable, "-m", "benchmark.speed.latency", bundle, str(repeats)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=180)  # noqa: S603 - our own
    if done.returncode:
        raise UsageError(f"speed: latency: {(done.stderr.strip().splitlines() or ['no output'])[-1][:200]}")
    return {kind: Timing(**timing) for kind, timing in json.loads(done.stdout).items()}


async def _measure(bundle: str, repeats: int) -> dict[str, Timing]:
    scenes = [(ImageInput(data=draw_scene(seed)),) for seed in range(repeats + 1)]
    timings = {
        "text": await _time(bundle, "off", [Pair(ask(n)) for n in range(repeats + 1)]),
        "picture": await _time(bundle, "off", [Pair(ask(n), scene) for n, scene in enumerate(scenes)]),
    }
    if can_read():
        pages = [(ImageInput(data=draw_writing(seed)),) for seed in range(repeats // 15 + 2)]
        timings["writing"] = await _time(bundle, "always", [Pair(ask(n), page) for n, page in enumerate(pages)])
    return timings


async def _time(bundle: str, ocr: Literal["off", "always"], pairs: Sequence[Pair]) -> Timing:
    warm, *measured = pairs
    settings = {"bundle": bundle, "threads": 1, "ocr": {"mode": ocr}, "cache": {"verdicts": 0, "pictures": 0}}
    guard = open_guard(Settings.model_validate(settings))
    try:
        if not await guard.ready():
            raise UsageError("the scorer does not answer")
        await guard.assess(warm)
        taken: list[float] = []
        stages: dict[str, list[float]] = {}
        for pair in measured:
            started = time.perf_counter()
            assessment = await guard.assess(pair)
            taken.append((time.perf_counter() - started) * 1000)
            if assessment.code is not None:
                raise UsageError(f"a drawn pair was not judged: {assessment.code}")
            for stage, spent in assessment.latency_ms.items():
                stages.setdefault(stage, []).append(spent)
    finally:
        await guard.aclose()
    medians = {stage: float(np.median(spent)) for stage, spent in stages.items()}
    return Timing(len(taken), float(np.median(taken)), float(np.percentile(taken, 95)), medians)


def ask(n: int) -> str:
    """Return a harmless request; another `n`, another one."""
    return _REQUEST.format(n=n + 3, subject=_SUBJECTS[n % len(_SUBJECTS)])


if __name__ == "__main__":
    try:
        _timings = uvloop.run(_measure(sys.argv[1], int(sys.argv[2])))
    except GuardError as _error:
        raise SystemExit(str(_error)) from None
    sys.stdout.write(json.dumps({kind: asdict(timing) for kind, timing in _timings.items()}))

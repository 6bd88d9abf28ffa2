"""A part of the measurement in a process of its own: memory is given back, and a crash ends that part alone."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from benchmark.speed.gpu.plan import Encoder, GpuPlan
from guard.errors import GuardError, UsageError


def call(part: str, plan: GpuPlan, folder: Path, *arguments: str) -> dict[str, Any]:
    """Return what a part of this package, `serve`d by its main block, found out.

    Raises:
        UsageError: it failed, or did not end in time; the message is its last line.
    """
    command = [sys.executable, "-m", f"benchmark.speed.gpu.{part}", orjson.dumps(asdict(plan)).decode(), str(folder)]
    try:
        done = subprocess.run(  # noqa: S603 - our own
            [*command, *arguments], capture_output=True, text=True, check=False, timeout=plan.timeout_s
        )
    except subprocess.TimeoutExpired as error:
        raise UsageError(f"not done within {error.timeout:.0f} s") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"ended with {done.returncode}"]
        raise UsageError(lines[-1][:200])
    # Libraries may have printed before.
    found: dict[str, Any] = orjson.loads(done.stdout.strip().splitlines()[-1])
    return found


def serve(work: Callable[[GpuPlan, Path, list[str]], Any], arguments: list[str]) -> None:
    """Do a part's `work`, which gives a dataclass, and print it; what goes wrong on purpose becomes one line."""
    raw = orjson.loads(arguments[0])
    sizes = {"encoder": Encoder(**raw["encoder"])}
    lists = {name: tuple(raw[name]) for name in ("batches", "contenders")}
    try:
        found = work(GpuPlan(**{**raw, **sizes, **lists}), Path(arguments[1]), arguments[2:])
    except GuardError as error:
        raise SystemExit(str(error)) from None
    sys.stdout.write("\n" + orjson.dumps(asdict(found)).decode() + "\n")

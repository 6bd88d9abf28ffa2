"""Print the peak memory of a process that judges by a bundle: `python -m guard.release.resident DIR DIGEST`."""

import asyncio
import resource
import sys
from dataclasses import replace
from io import BytesIO
from pathlib import Path

from PIL import Image

from guard.bundle import Bundle
from guard.release.opening import open_measured
from guard.types import ImageInput, Pair

_STATUS = Path("/proc/self/status")
_PEAK = "VmHWM:"


def peak_mb() -> float:
    """Return the peak resident memory of this process.

    On Linux it is read from /proc: `getrusage` there reports the peak of whoever started the process, if that was
    higher.
    """
    if _STATUS.exists():
        lines = [line for line in _STATUS.read_text().splitlines() if line.startswith(_PEAK)]
        if lines:
            return int(lines[0].split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)


async def _judge(folder: str, digest: str) -> None:
    guard = await open_measured(replace(Bundle.load(folder), digest=digest), threads=1, read=False)
    buffer = BytesIO()
    Image.linear_gradient("L").resize((1024, 768)).convert("RGB").save(buffer, format="PNG")
    try:
        for number in range(5):
            await guard.assess(Pair(f"What is in this picture? {number}", (ImageInput(data=buffer.getvalue()),)))
    finally:
        await guard.aclose()


if __name__ == "__main__":
    asyncio.run(_judge(*sys.argv[1:3]))
    print(f"{peak_mb():.1f}")  # noqa: T201 - read by the process that started this one

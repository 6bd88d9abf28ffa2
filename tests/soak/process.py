"""What the operating system knows of Guard's process, and what its event loop told of itself."""

import os
import resource
import signal
import time
from dataclasses import dataclass
from pathlib import Path

_PATIENCE_S = 5.0


@dataclass(frozen=True, slots=True)
class Holdings:
    """What a process holds while nobody asks it anything."""

    tasks: int
    sockets: int
    files: int
    threads: int


def resident_bytes(pid: int) -> int:
    """Return how much memory a process holds that is not on disk."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("the process has no memory")


def holdings(pid: int, count: Path) -> Holdings:
    """Return what a process holds; it writes its number of tasks into `count` when it is signalled."""
    count.unlink(missing_ok=True)
    os.kill(pid, signal.SIGUSR1)
    ends = time.monotonic() + _PATIENCE_S
    while not count.exists() or not count.read_text():
        if time.monotonic() > ends:
            raise RuntimeError("the process does not tell how many tasks it has")
        time.sleep(0.01)
    links = [_shown(link) for link in Path(f"/proc/{pid}/fd").iterdir()]
    return Holdings(
        tasks=int(count.read_text()),
        sockets=sum(link.startswith("socket:") for link in links),
        files=sum(not link.startswith("socket:") for link in links),
        threads=len(list(Path(f"/proc/{pid}/task").iterdir())),
    )


def _shown(link: Path) -> str:
    try:
        return str(link.readlink())
    except FileNotFoundError:  # closed since it was listed
        return ""


def fill_disk(pid: int) -> None:
    """Let no file of the process grow: what a full disk means to it."""
    _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, most))


def empty_disk(pid: int) -> None:
    """Let its files grow again."""
    _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, most))

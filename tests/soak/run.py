"""A soak: load for some minutes, one fault after another, and what must hold at the end of it."""

import asyncio
import hashlib
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, SupportsIndex

import aiohttp
import orjson
import yaml

from guard.demo.servers import ServerThread
from tests.clients.api.app import LlmApi
from tests.soak import process
from tests.soak.asking import MARK
from tests.soak.faults import Fault, tell
from tests.soak.link import Link
from tests.soak.load import Load, Tally
from tests.tiny_bundle import make_tiny_bundle

_ROOT = Path(__file__).parents[2]
_TOKEN = "the admin's token"
_CLIENTS = 12
# Longer than a score may take: who asks while the scorer hangs is told so within the phase.
_PHASE_S = 4.5
# A request that began while something was wrong may end this much later, and so may what it left behind.
_AFTER_S = 3.5
_PHASES = tuple(fault for wrong in Fault if wrong is not Fault.NONE for fault in (Fault.NONE, wrong))
# Connections to the API are given up after 4 idle seconds, and looked at as seldom.
_IDLE_S = 10.0
_MOST_DRIFT = 0.02


@dataclass(slots=True)
class Found:
    """What a soak found."""

    tally: Tally
    memory: list[tuple[int, int]] = field(default_factory=list)  # cycle, bytes
    before: process.Holdings | None = None
    after: process.Holdings | None = None
    swaps: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def drift(self) -> float | None:
        """How much more memory is held in the last cycles than in those after the first; None with too few of them."""
        cycles = sorted({cycle for cycle, _ in self.memory})[1:]
        if len(cycles) < 2:
            return None
        early, late = cycles[: len(cycles) // 2], cycles[-(len(cycles) // 2) :]

        def median(chosen: list[int]) -> float:
            return statistics.median(held for cycle, held in self.memory if cycle in chosen)

        return median(late) / median(early) - 1


class _Watch(list[dict[str, Any]]):
    """Looks at what reaches the API, and keeps nothing of it."""

    def __init__(self) -> None:
        super().__init__()
        self.unsafe = 0
        self.requests = 0

    def append(self, request: dict[str, Any]) -> None:
        self.requests += 1
        self.unsafe += MARK.encode() in orjson.dumps(request["body"])

    def insert(self, index: SupportsIndex, request: dict[str, Any]) -> None:
        raise NotImplementedError


class _Faults:
    """What is wrong now, and what was within a time."""

    def __init__(self, file: Path, link: Link) -> None:
        self._file = file
        self._link = link
        self._since: list[tuple[float, Fault]] = []
        self.begin(Fault.NONE)

    def begin(self, fault: Fault) -> None:
        tell(self._file, fault)
        self._link.suffer(fault)
        self._since = [*self._since[-8:], (time.monotonic(), fault)]

    def since(self, moment: float) -> set[Fault]:
        """Return what was wrong from a while before `moment` until now."""
        ends = [*(began for began, _ in self._since[1:]), float("inf")]
        return {fault for (_, fault), end in zip(self._since, ends, strict=True) if end + _AFTER_S > moment}


@contextmanager
def _guard(folder: Path, upstream: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    settings = {
        "port": 0,
        "bundle": str(folder / "first"),
        "upstream": {"url": upstream, "connect_timeout_s": 1, "first_byte_timeout_s": 1.5, "total_timeout_s": 10},
        "limits": {
            # A shared machine may stand still for a second: that is no fault of Guard's.
            "score_timeout_s": 2, "admission_timeout_s": 2, "drain_timeout_s": 5, "max_body_bytes": 1_000_000,
        },
        "cache": {"verdicts": 200, "pictures": 50},
        "ocr": {"mode": "off"},
        "threads": 1,
        "refusal": "message",
        "judge_output": True,
        "admin": {"token": f"sha256:{hashlib.sha256(_TOKEN.encode()).hexdigest()}"},
    }  # fmt: skip
    (folder / "guard.yaml").write_text(yaml.safe_dump(settings))
    files = [str(folder / name) for name in ("guard.yaml", "faults", "tasks")]
    with (folder / "log").open("w") as log:
        command = [sys.executable, "-m", "tests.soak.server", *files]
        with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, stderr=log, text=True) as running:
            try:
                assert running.stdout is not None
                url = running.stdout.readline().strip()
                if not url:
                    raise RuntimeError((folder / "log").read_text())
                yield running, url
            finally:
                if running.poll() is None:
                    running.kill()


async def soak(folder: Path, *, minutes: float, say: Callable[[str], None]) -> Found:
    """Put load on a Guard for some minutes, in whole cycles of all faults, and return what was found."""
    for name, seed in (("first", 0), ("second", 1)):
        make_tiny_bundle(folder / name, seed=seed)
    api, watch = LlmApi(), _Watch()
    api.seen = watch
    with ServerThread(api.app) as behind:
        link = Link(int(behind.url.rpartition(":")[2]))
        faults = _Faults(folder / "faults", link)
        async with link.open() as port:
            with _guard(folder, f"http://127.0.0.1:{port}/v1") as (running, url):
                found = await _under_load(running, url, folder, faults, minutes=minutes, say=say)
                running.terminate()
                ended = await asyncio.to_thread(running.wait, 20)
    if ended != 0:
        found.problems.append(f"the server ended with {ended}")
    if watch.unsafe:
        found.problems.append(f"{watch.unsafe} unsafe requests reached the API")
    if watch.requests == 0:
        found.problems.append("nothing reached the API")
    _read_log(folder / "log", found)
    return found


async def _under_load(
    running: "subprocess.Popen[str]",
    url: str,
    folder: Path,
    faults: _Faults,
    *,
    minutes: float,
    say: Callable[[str], None],
) -> Found:
    load = Load(url, faults.since, seed=0)
    found = Found(load.tally)
    # What is made on first use is there from now on.
    async with _asking(load, 1):
        await asyncio.sleep(1)
    await asyncio.sleep(_IDLE_S)
    found.before = await asyncio.to_thread(process.holdings, running.pid, folder / "tasks")
    async with _asking(load, _CLIENTS):
        ends = time.monotonic() + 60 * minutes
        cycle = 0
        while cycle == 0 or time.monotonic() + len(_PHASES) * _PHASE_S <= ends:
            for fault in _PHASES:
                await _phase(fault, running.pid, url, folder, faults, found, cycle)
            cycle += 1
            say(f"cycle {cycle}: {load.tally.requests:,} requests, {len(load.tally.problems)} problems")
    faults.begin(Fault.NONE)
    await asyncio.sleep(_IDLE_S)
    found.after = await asyncio.to_thread(process.holdings, running.pid, folder / "tasks")
    _compare(found)
    return found


@asynccontextmanager
async def _asking(load: Load, clients: int) -> AsyncIterator[None]:
    stop = asyncio.Event()
    asking = asyncio.create_task(load.run(clients, stop))
    try:
        yield
    finally:
        stop.set()
        await asking


async def _phase(fault: Fault, pid: int, url: str, folder: Path, faults: _Faults, found: Found, cycle: int) -> None:
    faults.begin(fault)
    ends = time.monotonic() + _PHASE_S
    if fault is Fault.DISK_FULL:
        process.fill_disk(pid)
    turn = 0
    while time.monotonic() < ends:
        if fault is Fault.SWAPS:
            await _swap(url, folder / ("second", "first")[turn % 2], found)
            turn += 1
        await asyncio.sleep(0.5)
        if fault is Fault.NONE:
            found.memory.append((cycle, process.resident_bytes(pid)))
    if fault is Fault.DISK_FULL:
        process.empty_disk(pid)


async def _swap(url: str, bundle: Path, found: Found) -> None:
    headers = {"authorization": f"Bearer {_TOKEN}"}
    async with (
        aiohttp.ClientSession(url) as session,
        session.post("/guard/bundle", json={"bundle": str(bundle)}, headers=headers) as answer,
    ):
        if answer.status != 200:
            found.problems.append(f"a swap was answered with {answer.status}: {await answer.text()}")
    found.swaps += 1


def _compare(found: Found) -> None:
    before, after = found.before, found.after
    assert before is not None
    assert after is not None
    for name in ("tasks", "sockets", "files"):
        if getattr(after, name) > getattr(before, name):
            found.problems.append(f"{name}: {getattr(before, name)} before, {getattr(after, name)} after")
    if found.drift is not None and found.drift > _MOST_DRIFT:
        found.problems.append(f"memory grew by {found.drift:.1%} after the first cycle, limit is {_MOST_DRIFT:.0%}")


def _read_log(log: Path, found: Found) -> None:
    text = log.read_text(errors="replace")
    found.problems += [f"the log holds {word!r}" for word in ("Traceback", MARK, "internal_error") if word in text]

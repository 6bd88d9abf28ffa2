"""A server as a child process on loopback: started, waited for, measured through /proc, ended by its own handle."""

import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Self

from guard.errors import UsageError

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to start one server: `command` listens on `port`, and `ready_path` answers 200 once it can work."""

    name: str
    command: Sequence[str]
    port: int
    ready_path: str = "/"
    path: str = "/v1/chat/completions"
    environment: Mapping[str, str] = field(default_factory=dict)
    api_key: str = "sk-loopback"

    @property
    def origin(self) -> str:
        """Scheme and authority."""
        return f"http://127.0.0.1:{self.port}"


class Server:
    """A running server. Leaving the context ends it, and nothing else."""

    def __init__(self, recipe: Recipe, log: Path, *, start_timeout_s: float = 300.0) -> None:
        self.recipe = recipe
        self.start_s = 0.0
        self._log = log
        self._start_timeout_s = start_timeout_s
        self._sink: IO[bytes] | None = None
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        started = time.perf_counter()
        self._sink = self._log.open("wb")
        self._child = subprocess.Popen(  # noqa: S603 - our own command lines, no shell
            list(self.recipe.command),
            env=os.environ | self.recipe.environment,
            stdin=subprocess.DEVNULL,
            stdout=self._sink,
            stderr=subprocess.STDOUT,
        )
        try:
            while not self._is_ready():
                self._check_start(time.perf_counter() - started)
                time.sleep(0.02)
        except BaseException:
            self._end()
            raise
        self.start_s = time.perf_counter() - started
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def cpu_ms(self) -> float:
        """Return the processor time that the server and its children have used, in milliseconds."""
        return sum(_cpu_ticks(pid) for pid in self._family()) / _TICKS * 1000

    def resident_mb(self) -> float:
        """Return the resident memory of the server and its children, in megabytes."""
        return sum(_resident_kb(pid) for pid in self._family()) / 1000

    def _family(self) -> list[int]:
        if self._child is None:
            raise RuntimeError("the server was not started")
        found = [self._child.pid]
        for pid in found:
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                with suppress(OSError):
                    found.extend(int(child) for child in task.read_text().split())
        return found

    def _is_ready(self) -> bool:
        # Not urllib: it would ask an HTTP proxy of the environment for loopback.
        connection = http.client.HTTPConnection("127.0.0.1", self.recipe.port, timeout=2)
        try:
            connection.request("GET", self.recipe.ready_path)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _check_start(self, waited_s: float) -> None:
        ended = self._child is not None and self._child.poll() is not None
        if ended or waited_s > self._start_timeout_s:
            lines = self._log.read_text(errors="replace").strip().splitlines() or ["no output"]
            how = "ended" if ended else f"was not ready after {waited_s:.0f} s"
            raise UsageError(f"speed: {self.recipe.name} {how}: {lines[-1][:200]}")

    def _end(self) -> None:
        if self._child is not None:
            self._child.terminate()
            try:
                self._child.wait(10)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
        if self._sink is not None:
            self._sink.close()


@contextmanager
def ending_on_sigterm() -> Iterator[None]:
    """Let a termination unwind the stack, so that no server outlives the run; only in the main thread."""

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    previous = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def free_port() -> int:
    """Return a port on loopback that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _cpu_ticks(pid: int) -> int:
    # Fields of proc(5) counted after the command, which may hold spaces: user and system time are the 12th and 13th.
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])


def _resident_kb(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    return 0

"""A real `guard serve` in a process of its own."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

PATIENCE_S = 120.0  # a fault shows as a failure all the same, only later


@dataclass
class Served:
    """A running `guard serve`: `first_line` is what it printed when it was ready."""

    process: subprocess.Popen[str]
    first_line: str

    @property
    def url(self) -> str:
        found = re.search(r"http://\S+", self.first_line)
        assert found, self.first_line
        return found[0]

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)


def guard_command(*arguments: str) -> list[str]:
    """Return the command line of `guard` under this interpreter; warnings are errors there too."""
    return [sys.executable, "-W", "error", "-m", "guard", *arguments]


def get(url: str, **options: Any) -> httpx.Response:
    """Ask with a patience that a busy machine does not try."""
    return httpx.get(url, timeout=PATIENCE_S, **options)


def post(url: str, **options: Any) -> httpx.Response:
    """Ask as `get` does."""
    return httpx.post(url, timeout=PATIENCE_S, **options)


@contextmanager
def serve(bundle: Path, *arguments: str) -> Iterator[Served]:
    """Start `guard serve` on a free port, wait for its line, and end it with the block.

    What it remembers is forgotten then, unless it is told where to keep it.
    """
    with TemporaryDirectory() as state, _serve(bundle, state, *arguments) as served:
        yield served


@contextmanager
def _serve(bundle: Path, state: str, *arguments: str) -> Iterator[Served]:
    process = subprocess.Popen(
        guard_command("serve", "--bundle", str(bundle), "--port", "0", *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "XDG_STATE_HOME": state},
    )
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(process.stderr.read())
        try:
            yield Served(process, line.strip())
        finally:
            if process.poll() is None:
                process.kill()

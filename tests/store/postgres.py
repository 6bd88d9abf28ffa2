"""A PostgreSQL server of its own for the tests: a temporary folder, a free port of the loopback, gone afterwards."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

_FOLDERS = (Path("/usr/lib/postgresql"), Path("/usr/pgsql"), Path("/opt/homebrew/opt"))


@dataclass(frozen=True)
class PostgresServer:
    """A running server; `address` is that of one of its databases."""

    port: int
    folder: Path
    programs: Path

    def address(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """Return the address of a new, empty database."""
        name = f"guard_{uuid4().hex[:12]}"
        with psycopg.connect(self.address(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return self.address(name)

    def command(self, *arguments: str) -> None:
        _run([self.programs / "pg_ctl", "-D", str(self.folder / "data"), *arguments], self.folder)


@contextmanager
def postgres_server(*, syncs: bool = False) -> Iterator[PostgresServer]:
    """Yield a running server. Without one on this machine the test is skipped, or fails where servers are required."""
    programs = _programs()
    if programs is None:
        if os.environ.get("GUARD_REQUIRE_SERVERS") == "1":
            pytest.fail("PostgreSQL is not installed, and GUARD_REQUIRE_SERVERS=1")
        pytest.skip("PostgreSQL is not installed")
    folder = Path(tempfile.mkdtemp(prefix="guard-postgres-"))
    if os.geteuid() == 0:  # PostgreSQL does not run as root
        shutil.chown(folder, "postgres")
    try:
        _run([programs / "initdb", "-D", "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"], folder)
        server = _started(folder, programs, syncs=syncs)
        try:
            yield server
        finally:
            server.command("-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _started(folder: Path, programs: Path, *, syncs: bool) -> PostgresServer:
    fast = "" if syncs else "-c fsync=off -c synchronous_commit=off -c full_page_writes=off"
    for tries_left in (2, 1, 0):  # whoever else looks for a port may take this one before the server does
        server = PostgresServer(_free_port(), folder, programs)
        said = f"-p {server.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' {fast}"
        try:
            server.command("-w", "-l", "log", "-o", said, "start")
        except RuntimeError:
            if not tries_left:
                raise
        else:
            break
    return server


def _programs() -> Path | None:
    on_path = shutil.which("initdb")
    if on_path is not None:
        return Path(on_path).resolve().parent
    found = sorted(place for folder in _FOLDERS for place in folder.glob("*/bin/initdb"))
    return found[-1].parent if found else None


def _run(command: list[str | Path], folder: Path) -> None:
    user = "postgres" if os.geteuid() == 0 else None
    for attempt in range(2):
        done = subprocess.run(
            command, cwd=folder, user=user, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False
        )
        if done.returncode == 0:
            return
        time.sleep(attempt)
    raise RuntimeError(f"{Path(command[0]).name}: {done.stderr}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

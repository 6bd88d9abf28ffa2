"""Connections: an address becomes an engine, and whatever goes wrong on it one of Guard's own errors.

SQLite runs in WAL: readers never wait for the one that writes. Transactions that write say so at their beginning, so
that two of them never find out half-way.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from guard.errors import StoreInvalid, StoreLocked, StoreUnavailable
from guard.store.faults import reason_of

Durability = Literal["normal", "full"]

_WRITES = "guard_writes"


@dataclass(frozen=True, slots=True)
class Link:
    """An engine and where it leads: `place` is fit to be shown, `file` is SQLite's."""

    engine: Engine
    place: str
    file: Path | None = None
    wait_s: float = 5.0
    _writing: Engine = field(init=False, repr=False)
    _turn: threading.Lock = field(init=False, repr=False, default_factory=threading.Lock)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_writing", self.engine.execution_options(**{_WRITES: True}))

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield a connection in a transaction that sees one state of the store. Raises StoreFailed."""
        with self.translated(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Yield a connection in a transaction that is committed at the block's end. Raises StoreFailed."""
        if self.file is None:
            with self.translated(), self._writing.begin() as connection:
                yield connection
            return
        # Threads take turns here, since SQLite has whoever comes second sleep, longer each time it looks again.
        if not self._turn.acquire(timeout=self.wait_s):
            raise StoreLocked(f"store {self.place}: another thread holds it")
        try:
            self._require_file(self.file)
            with self.translated(), self._writing.begin() as connection:
                yield connection
        finally:
            self._turn.release()

    def checkpoint(self, kind: Literal["PASSIVE", "TRUNCATE"]) -> bool:
        """Have SQLite bring its log into its file, and return whether it did; it waits for nobody."""
        if self.file is None:
            return True
        with self.translated(), self.engine.connect() as connection:
            # In no transaction, so past SQLAlchemy. A TRUNCATE that waits for a reader holds the write lock meanwhile.
            driver: Any = connection.connection.dbapi_connection
            driver.execute("PRAGMA busy_timeout=0")
            try:
                is_busy = driver.execute(f"PRAGMA wal_checkpoint({kind})").fetchone()[0]
            finally:
                driver.execute(f"PRAGMA busy_timeout={round(self.wait_s * 1000)}")
        return not is_busy

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn what the database raises into Guard's own errors. Messages never quote values."""
        try:
            yield
        except DBAPIError as error:
            kind, reason = reason_of(error.orig)
            raise kind(f"store {self.place}: {reason}") from error
        except sqlite3.Error as error:  # past SQLAlchemy
            kind, reason = reason_of(error)
            raise kind(f"store {self.place}: {reason}") from error
        except SQLAlchemyError as error:  # no connection of the pool in time
            raise StoreUnavailable(f"store {self.place}: {type(error).__name__}") from error

    def _require_file(self, file: Path) -> None:
        """Refuse to write into a file that was deleted under us: SQLite would, and nobody would ever read it."""
        if not file.exists():
            self.engine.dispose()
            raise StoreUnavailable(f"store {self.place}: the file is gone")


def open_link(
    address: str,
    *,
    durability: Durability = "normal",
    wait_s: float = 5.0,
    is_served: bool = False,
    must_exist: bool = False,
) -> Link:
    """Return a link to the store at an address; nothing is connected yet.

    Args:
        address: `sqlite:///FILE`, a plain path, or `postgresql://USER@HOST/NAME`.
        durability: full survives a power cut too: each commit waits for the disk.
        wait_s: how long for whoever else holds the store.
        is_served: somebody calls `checkpoint` now and then, so that no commit has to.
        must_exist: no file is made where there is none.

    Raises:
        StoreInvalid: the address is none of these, or the driver is not installed.
        StoreUnavailable: the file cannot be made, or is not there.
    """
    url = _parsed(address)
    if url.get_backend_name() == "sqlite":
        file = _file_of(url)
        if must_exist and not file.exists():
            raise StoreUnavailable(f"store {file}: there is none")
        return _sqlite(file, durability, wait_s, is_served=is_served)
    return _postgres(url, durability, wait_s)


def _parsed(address: str) -> URL:
    if "://" not in address:
        address = f"sqlite:///{address}"
    try:
        url = make_url(address)
    except ArgumentError as error:
        raise StoreInvalid("store.url is no address of a database") from error
    name = url.drivername.partition("+")[0]
    if name not in {"sqlite", "postgresql", "postgres"}:
        raise StoreInvalid(f"store.url: {name[:40]!r} is none of sqlite and postgresql")
    return url


def _file_of(url: URL) -> Path:
    if url.host or not url.database or url.database == ":memory:":
        raise StoreInvalid("store.url: SQLite takes a file: sqlite:///relative.db or sqlite:////absolute.db")
    return Path(url.database).expanduser().absolute()


def _sqlite(file: Path, durability: Durability, wait_s: float, *, is_served: bool) -> Link:
    place = str(file)
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not file.exists():
            os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))  # decisions are nobody else's to read
    except OSError as error:
        raise StoreUnavailable(f"store {place}: {error.strerror}") from error
    pragmas = (
        f"PRAGMA synchronous={durability.upper()}",
        # Checkpoints take the time of a write to the disk; while serving, none falls into a request.
        f"PRAGMA wal_autocheckpoint={0 if is_served else 1000}",
        "PRAGMA secure_delete=ON",  # what was purged is not to be found in the file
    )

    def connect() -> sqlite3.Connection:
        # mode=rw: a file that was deleted is not made anew, without tables.
        connection = sqlite3.connect(
            f"file:{quote(place)}?mode=rw", uri=True, timeout=wait_s, isolation_level=None, check_same_thread=False
        )
        try:
            _turn_to_wal(connection, wait_s)
            for pragma in pragmas:
                connection.execute(pragma)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool, pool_size=5, max_overflow=5)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return Link(engine, place, file, wait_s=wait_s)


def _turn_to_wal(connection: sqlite3.Connection, wait_s: float) -> None:
    """Have the file keep a write-ahead log. Of two that turn a file at once, SQLite lets none wait: one asks again."""
    end = time.monotonic() + wait_s
    while True:
        try:
            if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            # The low byte is the primary code: SQLITE_BUSY_RECOVERY and its like are busy too.
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(0.005)
        else:
            return


def _postgres(url: URL, durability: Durability, wait_s: float) -> Link:
    place = url.set(drivername="postgresql").render_as_string(hide_password=True)
    options = f"-c lock_timeout={round(wait_s * 1000)} -c statement_timeout=60000"
    if durability == "full":
        options += " -c synchronous_commit=on"
    given = url.query.get("options", ())
    said = " ".join((given,) if isinstance(given, str) else given)
    url = url.set(drivername="postgresql+psycopg").update_query_dict({"options": f"{said} {options}".strip()})
    # Of a server that is cut off, nobody hears: without these, the first statement would wait for a quarter of an hour.
    usual = {
        "connect_timeout": str(max(2, round(wait_s))),
        "tcp_user_timeout": str(round(2 * wait_s * 1000)),
        "keepalives_idle": "10",
        "keepalives_interval": "5",
        "keepalives_count": "2",
    }
    url = url.update_query_dict({name: value for name, value in usual.items() if name not in url.query})
    try:
        engine = create_engine(url, pool_pre_ping=True, pool_size=5, max_overflow=5)
    except NoSuchModuleError as error:
        raise StoreInvalid(f"store {place}: no such database driver") from error
    except ModuleNotFoundError as error:
        raise StoreInvalid("store.url: PostgreSQL needs a driver: pip install 'mllm-guard[postgres]'") from error
    return Link(engine, place)

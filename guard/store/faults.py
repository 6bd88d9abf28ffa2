"""What a database says when something goes wrong, as one of Guard's own errors; values are never quoted."""

import sqlite3
from typing import Any

from guard.errors import StoreFailed, StoreFull, StoreInvalid, StoreLocked, StoreUnavailable

_SQLITE_CODES: dict[str, type[StoreFailed]] = {
    "SQLITE_FULL": StoreFull,
    "SQLITE_BUSY": StoreLocked,
    "SQLITE_LOCKED": StoreLocked,
    "SQLITE_READONLY": StoreUnavailable,
    "SQLITE_CANTOPEN": StoreUnavailable,
    "SQLITE_IOERR": StoreUnavailable,
    "SQLITE_PERM": StoreUnavailable,
    "SQLITE_NOTADB": StoreInvalid,
    "SQLITE_CORRUPT": StoreInvalid,
}
# By SQLSTATE, or its class; an error of PostgreSQL's client without one is a connection that is not there.
_POSTGRES_CODES: dict[str, type[StoreFailed]] = {
    "53100": StoreFull,
    "53": StoreUnavailable,
    "55P03": StoreLocked,
    "57014": StoreLocked,
    "40": StoreLocked,
    "08": StoreUnavailable,
    "25": StoreUnavailable,
    "28": StoreUnavailable,
    "3D": StoreUnavailable,
    "57": StoreUnavailable,
}


def reason_of(error: BaseException | None) -> tuple[type[StoreFailed], str]:
    """Return the error that a driver's error stands for, and its reason in a line."""
    if isinstance(error, sqlite3.Error):
        name = str(getattr(error, "sqlite_errorname", ""))
        family = "_".join(name.split("_")[:2])
        return _SQLITE_CODES.get(family, StoreFailed), _first_line(error) if name else type(error).__name__
    state = getattr(error, "sqlstate", None)
    if state is None:
        is_gone = type(error).__name__ in {"OperationalError", "InterfaceError", "ConnectionTimeout"}
        return (StoreUnavailable, _refusal(error)) if is_gone else (StoreFailed, type(error).__name__)
    kind = _POSTGRES_CODES.get(state) or _POSTGRES_CODES.get(state[:2], StoreFailed)
    if state.startswith("22"):  # of a value that it cannot take, PostgreSQL quotes the value
        return kind, f"{type(error).__name__} ({state})"
    said: Any = getattr(error, "diag", None)
    return kind, f"{getattr(said, 'message_primary', None) or type(error).__name__} ({state})"


def _refusal(error: BaseException | None) -> str:
    """Why there is no connection: a server that answers and refuses says so (no such database, a wrong password)."""
    _, is_said, words = str(error).partition("FATAL:")
    return f"PostgreSQL refuses: {words.splitlines()[0].strip()}" if is_said else "PostgreSQL does not answer"


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__

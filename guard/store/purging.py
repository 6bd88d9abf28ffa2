"""Forgetting: by age and by subject, a few thousand decisions at a time, so that nobody waits long for the store.

SQLite overwrites what is deleted (`secure_delete`), and its log is emptied afterwards; in PostgreSQL, vacuum does that.
"""

from sqlalchemy import Column, ColumnElement, Connection, delete, or_, select

from guard.store.engine import Link
from guard.store.schema import allowances, canaries, contents, decisions, labels
from guard.store.values import Purged

_AT_ONCE = 250


def by_age(link: Link, before: float) -> Purged:
    """Delete decisions made before a time with all that hangs on them, canaries, and allow entries that ended."""
    purged = _decisions(link, decisions.c.at < before)
    with link.writing() as connection:
        connection.execute(delete(canaries).where(canaries.c.at < before))
        ended = or_(allowances.c.until < before, allowances.c.revoked_at < before)
        connection.execute(delete(allowances).where(ended))
    return purged


def by_subject(link: Link, subject: str) -> Purged:
    """Delete every decision about a subject with all that hangs on it, allow entries of its content too."""
    return _decisions(link, decisions.c.subject == subject, and_allowances=True)


def contents_by_age(link: Link, before: float) -> int:
    """Delete content kept before a time; its decisions stay."""
    total = 0
    while True:
        with link.writing() as connection:
            ids = _ids(connection, contents.c.decision_id, contents.c.at < before)
            if not ids:
                return total
            total += _delete(connection, contents.c.decision_id, ids)


def _decisions(link: Link, condition: ColumnElement[bool], *, and_allowances: bool = False) -> Purged:
    total = Purged(0, 0, 0)
    while True:
        with link.writing() as connection:
            ids = _ids(connection, decisions.c.id, condition)
            if not ids:
                return total
            if and_allowances:
                _delete(connection, allowances.c.because_of, ids)
            total = Purged(
                decisions=total.decisions + _delete(connection, decisions.c.id, ids),
                labels=total.labels + _delete(connection, labels.c.decision_id, ids),
                contents=total.contents + _delete(connection, contents.c.decision_id, ids),
            )


def _ids(connection: Connection, column: "Column[str]", condition: ColumnElement[bool]) -> list[str]:
    return list(connection.execute(select(column).where(condition).limit(_AT_ONCE)).scalars())


def _delete(connection: Connection, column: "Column[str]", ids: list[str]) -> int:
    return connection.execute(delete(column.table).where(column.in_(ids))).rowcount

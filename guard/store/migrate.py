"""Brings a store up to this Guard's revision; alembic is loaded only where there is something to do.

Several processes may open a store at once: one migrates, the others wait for it and find it done.
"""

from pathlib import Path

from sqlalchemy import Connection, text

from guard.errors import StoreNewer
from guard.store.engine import Link

VERSION_TABLE = "guard_schema_version"
HEAD = "0001"
MIGRATIONS = Path(__file__).parent / "migrations"
# Any number will do, as long as nobody else takes it in this database.
_LOCK = 0x6775617264


def migrate(link: Link, *, to: str = HEAD) -> None:
    """Make the tables, or bring those of an earlier Guard up to now, in one transaction.

    Args:
        link: to the store.
        to: the revision to stop at; tests stop early.

    Raises:
        StoreNewer: a newer Guard wrote it.
        StoreFailed: any other reason.
    """
    with link.reading() as connection:
        if revision_of(connection) == to:
            return
    with link.writing() as connection:
        if connection.dialect.name == "postgresql":
            # An index on millions of rows takes its time, and the others wait for it.
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SET LOCAL lock_timeout = '10min'"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        found = revision_of(connection)
        if found != to:
            _upgrade(connection, found, to, place=link.place)


def revision_of(connection: Connection) -> str | None:
    """Return the revision of a store, None where it has no tables yet."""
    if not connection.dialect.has_table(connection, VERSION_TABLE):
        return None
    found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608 - a constant
    return None if found is None else str(found)


def _upgrade(connection: Connection, found: str | None, to: str, *, place: str) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise StoreNewer(
            f"store {place}: revision {found[:20]!r} is a newer Guard's; this one knows those up to {HEAD}"
        )
    config.attributes["connection"] = connection
    command.upgrade(config, to)

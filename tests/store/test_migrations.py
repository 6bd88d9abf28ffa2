"""A store of any earlier revision is brought up to now with what it holds; one of a newer Guard is left alone."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from guard.errors import StoreNewer
from guard.store.engine import Link, open_link
from guard.store.migrate import HEAD, MIGRATIONS, VERSION_TABLE, migrate, revision_of
from guard.store.opening import open_store
from guard.store.schema import metadata
from guard.store.values import Label, LabelKind, Query, Source

_SCRIPTS = ScriptDirectory(str(MIGRATIONS))
_REVISIONS = [script.revision for script in reversed(list(_SCRIPTS.walk_revisions()))]
_ID = "0123456789abcdef0123456789abcdef"
# A row as each revision would have written it, by revision: never changed once a Guard with it was published.
_ROWS = {
    "0001": (
        "INSERT INTO guard_decisions (id, at, direction, route, tenant, policy, mode, verdict, intended, action, basis,"
        " bundle, probability, threshold, log_odds_bin, cached, sampling_probability, is_sampled, stratum, plan)"
        f" VALUES ('{_ID}', 1700000000.0, 'input', '/v1/chat/completions', 'default', 'balanced', 'enforce', 'unsafe',"
        f" 'block', 'block', 'score', '{'ab' * 32}', 0.9, 0.7, 40, false, 0.5, true, 'input/block/far', 'plan')"
    ),
}


@pytest.fixture
def link(address: str) -> Iterator[Link]:
    opened = open_link(address)
    yield opened
    opened.engine.dispose()


def test_every_revision_has_a_row_to_be_migrated_and_the_last_is_the_head() -> None:
    assert list(_ROWS) == _REVISIONS
    assert _REVISIONS[-1] == HEAD
    assert len(_SCRIPTS.get_heads()) == 1


@pytest.mark.parametrize("revision", _REVISIONS)
def test_store_of_an_earlier_revision_keeps_what_it_holds(address: str, link: Link, revision: str) -> None:
    migrate(link, to=revision)
    with link.writing() as connection:
        connection.execute(text(_ROWS[revision]))

    store = open_store(address)
    store.label(Label(_ID, LabelKind.SAFE, "ann", Source.REVIEWER, 1700000001.0))

    assert [one.id for one in store.find(Query(label="safe"))] == [_ID]
    with link.reading() as connection:
        assert revision_of(connection) == HEAD
    store.close()


@pytest.mark.parametrize("revision", [None, *_REVISIONS])
def test_migrated_tables_are_those_of_the_code(link: Link, revision: str | None) -> None:
    if revision is not None:
        migrate(link, to=revision)
    migrate(link)

    with link.reading() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, metadata) == []


def test_store_of_a_newer_guard_is_refused_and_not_touched(address: str, link: Link) -> None:
    migrate(link)
    with link.writing() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))

    with pytest.raises(StoreNewer, match=r"revision '9999' is a newer Guard's; this one knows those up to"):
        open_store(address)
    with link.reading() as connection:
        assert revision_of(connection) == "9999"


def test_migration_that_fails_leaves_nothing_behind(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("power cut")

    with monkeypatch.context() as failing:
        failing.setattr("alembic.runtime.migration.MigrationContext._ensure_version_table", fail)
        with pytest.raises(RuntimeError, match="power cut"):
            migrate(link)
    with link.writing() as connection:
        connection.execute(text("CREATE TABLE guard_contents (decision_id INTEGER)"))
    with pytest.raises(Exception, match="guard_contents"):  # the last table of the first revision is in the way
        migrate(link)

    with link.reading() as connection:
        assert not connection.dialect.has_table(connection, "guard_decisions")


def test_tables_of_others_in_the_same_database_are_left_alone(address: str, link: Link) -> None:
    with link.writing() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32))"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('theirs')"))

    open_store(address).close()

    with link.reading() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == "theirs"


def test_opening_a_store_that_is_up_to_date_takes_no_lock(tmp_path: Path) -> None:
    file = tmp_path / "guard.db"
    open_store(str(file)).close()
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")

    store = open_store(str(file), wait_s=0.1)

    assert store.find(Query()) == []
    store.close()
    holder.close()

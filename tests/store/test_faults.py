"""A store that is locked, full, gone, foreign or none at all: one clear line each, with a stable code."""

import sqlite3
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import text

from guard.errors import StoreFailed, StoreFull, StoreInvalid, StoreLocked, StoreUnavailable
from guard.store.engine import open_link
from guard.store.opening import open_store
from guard.store.values import Query
from tests.store.decisions import stored
from tests.store.postgres import postgres_server


def test_locked_file_is_waited_for_and_then_said_to_be_locked(tmp_path: Path) -> None:
    file = tmp_path / "guard.db"
    store = open_store(str(file), wait_s=0.1)
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreLocked, match=rf"^store {file}: database is locked$") as failure:
        store.add([stored()])
    assert failure.value.code == "store_locked"
    holder.execute("ROLLBACK")
    store.add([stored()])

    assert len(store.find(Query())) == 1
    holder.close()
    store.close()


def test_file_that_another_process_is_just_making_is_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "guard.db"
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")  # in a file without a log yet, where SQLite itself lets nobody wait
    until_then = threading.Timer(0.2, lambda: other.execute("COMMIT"))
    until_then.start()

    store = open_store(str(file))
    store.add([stored()])

    assert len(store.find(Query())) == 1
    until_then.join()
    other.close()
    store.close()


def test_full_disk_is_said_to_be_full_and_nothing_is_half_written(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "guard.db"))
    with store._link.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=1").close()

    with pytest.raises(StoreFull, match="full") as failure:
        store.add([stored() for _ in range(1000)])

    assert failure.value.code == "store_full"
    assert store.find(Query()) == []
    store.close()


def test_file_that_was_deleted_is_not_written_to_unseen(tmp_path: Path) -> None:
    file = tmp_path / "guard.db"
    store = open_store(str(file))
    store.add([stored()])
    file.unlink()

    with pytest.raises(StoreUnavailable, match="the file is gone"):
        store.add([stored()])
    assert not file.exists()
    store.close()


def test_file_that_was_put_back_is_written_to_again(tmp_path: Path) -> None:
    file = tmp_path / "guard.db"
    store = open_store(str(file))
    store.checkpoint(whole=True)
    file.rename(tmp_path / "away")
    with pytest.raises(StoreUnavailable):
        store.add([stored()])
    for rest in tmp_path.glob("guard.db-*"):
        rest.unlink()
    (tmp_path / "away").rename(file)

    store.add([stored()])

    assert len(store.find(Query())) == 1
    store.close()


def test_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "guard.db"
    file.write_bytes(b"name,label\n" * 1000)

    with pytest.raises(StoreInvalid, match="not a database") as failure:
        open_store(str(file))
    assert failure.value.code == "store_invalid"
    assert file.read_bytes() == b"name,label\n" * 1000


def test_place_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match=r"Not a directory|File exists"):
        open_store(str(tmp_path / "file" / "guard.db"))


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("mysql://host/guard", "'mysql' is none of sqlite and postgresql"),
        ("sqlite://", "takes a file"),
        ("sqlite:///:memory:", "takes a file"),
        ("://", "no address"),
    ],
)
def test_address_that_means_nothing_is_refused(address: str, said: str) -> None:
    with pytest.raises(StoreInvalid, match=said):
        open_link(address)


def test_file_is_its_owners_alone(tmp_path: Path) -> None:
    file = tmp_path / "state" / "guard.db"
    store = open_store(str(file))
    store.add([stored()])

    assert {path.stat().st_mode & 0o077 for path in (file.parent, *file.parent.iterdir())} == {0}
    store.close()


def test_what_was_purged_is_not_in_the_file_any_more(tmp_path: Path) -> None:
    file = tmp_path / "guard.db"
    store = open_store(str(file))
    store.add([stored(subject="Rumpelstiltskin", at=1.0 + number) for number in range(50)])
    store.checkpoint(whole=True)
    assert b"Rumpelstiltskin" in file.read_bytes()

    store.purge(subject="Rumpelstiltskin")

    assert b"Rumpelstiltskin" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())
    store.close()


def test_purge_keeps_no_writer_waiting_for_a_reader(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "guard.db"), is_served=True, wait_s=60)
    store.add([stored(at=1.0 + number) for number in range(50)])
    spent = []

    def write() -> None:
        for _ in range(20):
            began = time.perf_counter()
            store.add([stored()])
            spent.append(time.perf_counter() - began)

    with store._link.reading() as reader:
        reader.execute(text("SELECT count(*) FROM guard_decisions")).scalar()
        writer = threading.Thread(target=write)
        writer.start()
        store.purge(before=1000.0)
        assert not store.checkpoint(whole=True)
        writer.join()

    assert max(spent) < 40  # it was the whole of `wait_s`
    assert store.checkpoint(whole=True)
    store.close()


@pytest.mark.parametrize(("durability", "synchronous"), [("normal", 1), ("full", 2)])
def test_durability_says_whether_a_commit_waits_for_the_disk(tmp_path: Path, durability: str, synchronous: int) -> None:
    link = open_link(str(tmp_path / "guard.db"), durability=durability)  # type: ignore[arg-type]
    with link.reading() as connection:
        assert connection.execute(text("PRAGMA synchronous")).scalar() == synchronous
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
    link.engine.dispose()


@pytest.mark.servers
def test_postgresql_that_is_gone_says_so_and_is_found_again_when_it_is_back() -> None:
    with postgres_server() as server:
        store = open_store(server.new_database(), wait_s=2.0)
        store.add([stored()])
        server.command("-w", "-m", "fast", "stop")

        with pytest.raises(StoreUnavailable) as failure:
            store.add([stored()])
        assert "postgres@127.0.0.1" in str(failure.value)

        server.command("-w", "-l", "log", "-o", f"-p {server.port} -c unix_socket_directories=''", "start")
        store.add([stored()])
        assert len(store.find(Query())) == 2
        store.close()


@pytest.mark.servers
def test_postgresql_says_what_is_wrong_without_passwords_or_values() -> None:
    with postgres_server() as server:
        with pytest.raises(StoreUnavailable) as nobody:
            open_store(server.address("nowhere").replace("postgres@", "postgres:geheim@"))
        address = server.new_database()
        store = open_store(address)
        with pytest.raises(StoreFailed) as too_long:
            store.add([stored(tenant="Rumpelstiltskin" * 10)])
        other = open_store(address, wait_s=0.2)
        with store._link.writing() as holder:
            holder.execute(text("LOCK TABLE guard_decisions IN ACCESS EXCLUSIVE MODE"))
            with pytest.raises(StoreLocked):
                other.add([stored()])
        other.close()
        store.close()

    assert "geheim" not in str(nobody.value)
    assert "***" in str(nobody.value)
    assert 'PostgreSQL refuses: database "nowhere" does not exist' in str(nobody.value)
    assert "Rumpelstiltskin" not in str(too_long.value)
    assert "(22001)" in str(too_long.value)

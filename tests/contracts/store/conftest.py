"""A store on SQLite, and on a real PostgreSQL server: each test runs on both."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from guard.store.opening import open_store
from guard.store.store import Store
from tests.contracts.store.labelling import BOX
from tests.store.postgres import PostgresServer, postgres_server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'guard.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture
def open_one(address: str) -> Iterator[Callable[[], Store]]:
    """Open the store once more, as another process would."""
    opened: list[Store] = []

    def open_() -> Store:
        opened.append(open_store(address, box=BOX))
        return opened[-1]

    yield open_
    for store in opened:
        store.close()


@pytest.fixture
def store(open_one: Callable[[], Store]) -> Store:
    return open_one()

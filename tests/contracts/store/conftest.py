"""A store on SQLite, and on a real PostgreSQL server: each test runs on both."""

from collections.abc import Callable, Iterator

import pytest

from guard.store.opening import open_store
from guard.store.store import Store
from tests.contracts.store.labelling import BOX
from tests.store.conftest import address, postgres

__all__ = ["address", "open_one", "postgres", "store"]


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

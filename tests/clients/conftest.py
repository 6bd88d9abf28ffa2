from collections.abc import Iterator

import pytest

from tests.clients.house import House


@pytest.fixture(scope="session")
def addresses() -> House:
    return House.from_environment()


@pytest.fixture
def house(addresses: House) -> Iterator[House]:
    addresses.seen()
    yield addresses
    addresses.seen()

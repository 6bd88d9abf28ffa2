from collections.abc import Iterator
from pathlib import Path

import pytest

from guard.demo.servers import ServerThread
from guard.demo.standin import StandIn
from tests.tiny_bundle import make_tiny_bundle


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny").path


@pytest.fixture
def api() -> StandIn:
    return StandIn()


@pytest.fixture
def api_url(api: StandIn) -> Iterator[str]:
    with ServerThread(api.app) as server:
        yield server.url

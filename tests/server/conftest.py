from collections.abc import AsyncIterator

import pytest

from tests.server.house import Builder


@pytest.fixture
async def build(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Builder]:
    builder = Builder(tmp_path_factory.mktemp("bundle"))
    yield builder
    await builder.close()

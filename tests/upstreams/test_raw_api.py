"""The API made of raw sockets leaves nothing behind that would fail the test after it."""

import asyncio
import socket

import pytest

from tests.upstreams.raw_api import raw_api, silent


@pytest.mark.parametrize("turns", range(8))
async def test_connection_made_while_the_api_ends_is_closed_with_it(turns: int) -> None:
    async with raw_api(silent) as url:
        with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))):
            for _ in range(turns):
                await asyncio.sleep(0)

    assert asyncio.all_tasks() == {asyncio.current_task()}

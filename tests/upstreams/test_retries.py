"""What is tried a second time: connections that never were. What may have been sent never is."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from guard.errors import UpstreamBroken, UpstreamUnreachable
from guard.ports import UpstreamRequest
from guard.upstream_settings import UpstreamSettings
from guard.upstreams.passthrough import Passthrough
from tests.upstreams.raw_api import answers, answers_then_hangs_up, raw_api, read_request

_POST = UpstreamRequest("POST", "/v1/chat/completions", "", {}, b'{"n":1}')
_OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


@contextlib.asynccontextmanager
async def _passthrough(url: str, **settings: object) -> AsyncIterator[Passthrough]:
    upstream = Passthrough(UpstreamSettings.model_validate({"url": url, **settings}))
    try:
        yield upstream
    finally:
        await upstream.close()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as held:
        return int(held.getsockname()[1])


async def test_upstream_that_comes_back_within_the_connect_timeout_is_reached() -> None:
    port = _free_port()

    async with _passthrough(f"http://127.0.0.1:{port}", connect_retries=5) as upstream:
        sending = asyncio.create_task(upstream.send(_POST))
        await asyncio.sleep(0.1)
        async with raw_api(answers(_OK), port=port):
            response = await sending
            await response.close()

    assert response.status == 200


async def test_upstream_that_stays_away_is_given_up_when_the_connect_timeout_ends() -> None:
    async with _passthrough(f"http://127.0.0.1:{_free_port()}", connect_retries=10, connect_timeout_s=0.3) as upstream:
        began = asyncio.get_running_loop().time()
        with pytest.raises(UpstreamUnreachable):
            await upstream.send(_POST)

    assert asyncio.get_running_loop().time() - began < 10


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\ncontent-le"], ids=["no answer", "half a head"])
async def test_post_that_reached_the_upstream_is_never_sent_twice(answer: bytes) -> None:
    received: list[bytes] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append((await read_request(reader))[1])
        writer.write(answer)

    async with raw_api(handler) as url, _passthrough(url, connect_retries=10) as upstream:
        with pytest.raises(UpstreamBroken):
            await upstream.send(_POST)

    assert received == [b'{"n":1}']


async def test_post_into_a_connection_that_the_upstream_drops_is_not_repeated() -> None:
    requests = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        await read_request(reader)
        requests += 1
        writer.write(_OK)
        await read_request(reader)
        requests += 1

    async with raw_api(handler) as url, _passthrough(url, connect_retries=10) as upstream:
        first = await upstream.send(_POST)
        assert [chunk async for chunk in first.chunks()] == [b"{}"]
        with pytest.raises(UpstreamBroken):
            await upstream.send(_POST)

    assert requests == 2


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_answer_that_asks_for_patience_is_the_clients_to_handle(status: int) -> None:
    asked = 0
    raw = f"HTTP/1.1 {status} X\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n".encode()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        await read_request(reader)
        asked += 1
        writer.write(raw)

    async with raw_api(handler) as url, _passthrough(url, connect_retries=10) as upstream:
        response = await upstream.send(_POST)
        await response.close()

    assert (response.status, asked) == (status, 1)


async def test_get_in_a_connection_that_was_closed_while_idle_is_sent_anew() -> None:
    get = UpstreamRequest("GET", "/v1/models", "", {}, b"")

    async with raw_api(answers_then_hangs_up(_OK)) as url, _passthrough(url) as upstream:
        for _ in range(3):
            response = await upstream.send(get)
            assert [chunk async for chunk in response.chunks()] == [b"{}"]

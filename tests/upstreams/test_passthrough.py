"""The upstream leg over real sockets: every way in which an API can fail to answer."""

import asyncio
import contextlib
import gzip
import os
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from guard.config import UpstreamSettings
from guard.errors import ConfigInvalid, UpstreamBroken, UpstreamTimeout, UpstreamUnreachable
from guard.ports import UpstreamRequest, UpstreamResponse
from guard.upstreams.passthrough import Passthrough, base_url
from tests.upstreams.raw_api import answers, answers_then_hangs_up, raw_api, read_request, silent

_POST = UpstreamRequest("POST", "/v1/chat/completions", "", {"authorization": "Bearer k"}, b'{"n":1}')


@contextlib.asynccontextmanager
async def _passthrough(url: str, **settings: float) -> AsyncIterator[Passthrough]:
    upstream = Passthrough(UpstreamSettings.model_validate({"url": url, **settings}))
    try:
        yield upstream
    finally:
        await upstream.close()


async def _read(response: UpstreamResponse) -> bytes:
    try:
        return b"".join([chunk async for chunk in response.chunks()])
    finally:
        await response.close()


@pytest.mark.parametrize("base", ["http://h:1", "http://h:1/", "http://h:1/v1", "http://h:1/v1/"])
def test_base_url_with_or_without_v1_is_the_same(base: str) -> None:
    assert base_url(base) == "http://h:1"


def test_base_url_keeps_a_path_before_v1() -> None:
    assert base_url("https://host/openai/v1/") == "https://host/openai"


@pytest.mark.parametrize("suffix", ["", "/v1"])
async def test_request_reaches_the_api_with_exactly_one_v1(suffix: str) -> None:
    heads: list[str] = []
    bodies: list[bytes] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head, body = await read_request(reader)
        heads.append(head)
        bodies.append(body)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")

    async with raw_api(handler) as url, _passthrough(url + suffix) as upstream:
        await upstream.send(_POST)

    assert heads[0].startswith("POST /v1/chat/completions HTTP/1.1\r\n")
    assert bodies == [b'{"n":1}']


async def test_nothing_is_added_to_the_headers_but_host_and_length() -> None:
    heads: list[str] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await read_request(reader))[0])
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    async with raw_api(handler) as url, _passthrough(url) as upstream:
        await upstream.send(_POST)

    names = {line.partition(":")[0].lower() for line in heads[0].splitlines()[1:] if line}
    assert names == {"host", "authorization", "content-length"}


@pytest.mark.parametrize("keys", [{"default": "sk-tenant"}, {"other": "sk-tenant"}])
@pytest.mark.parametrize("name", ["key", "api-key", "subscription-key", "API-Key", "api%2dkey", "access_token"])
async def test_key_in_the_query_is_not_sent_beside_the_key_of_a_tenant(name: str, keys: dict[str, str]) -> None:
    heads: list[str] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await read_request(reader))[0])
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")

    query = f"api-version=2024-06-01&{name}=sk-other&a=b%20c"
    async with raw_api(handler) as url, _passthrough(url) as upstream:
        await (await upstream.send(replace(_POST, query=query))).close()
        await (await upstream.send(replace(_POST, query=query, keys=keys))).close()

    lines = [head.splitlines()[0] for head in heads]
    assert lines[0] == f"POST /v1/chat/completions?{query} HTTP/1.1"
    assert lines[1] == "POST /v1/chat/completions?api-version=2024-06-01&a=b%20c HTTP/1.1"


async def test_large_body_arrives_whole_and_with_its_length() -> None:
    received: list[tuple[str, bytes]] = []
    body = bytes(range(256)) * 20_000

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await read_request(reader))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    async with raw_api(handler) as url, _passthrough(url) as upstream:
        await upstream.send(UpstreamRequest("POST", "/v1/x", "", {"content-type": "x/y"}, body))

    ((head, arrived),) = received
    assert arrived == body
    assert {line.partition(":")[0].lower() for line in head.splitlines()[1:] if line} == {
        "host",
        "content-type",
        "content-length",
    }


async def test_connections_are_reused() -> None:
    connections = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await answers(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")(reader, writer)

    async with raw_api(handler) as url, _passthrough(url) as upstream:
        for _ in range(5):
            response = await upstream.send(_POST)
            assert await _read(response) == b"{}"

    assert connections == 1


async def test_compressed_answer_stays_compressed() -> None:
    body = gzip.compress(b"{}" * 100)
    head = f"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {len(body)}\r\n\r\n".encode()

    async with raw_api(answers(head + body)) as url, _passthrough(url) as upstream:
        response = await upstream.send(_POST)
        received = await _read(response)

    assert received == body
    assert ("content-encoding", "gzip") in response.headers


async def test_headers_about_the_connection_are_left_out() -> None:
    raw = (
        b"HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\nAlt-Svc: h3\r\n"
        b"X-Request-Id: r\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 0\r\n\r\n"
    )

    async with raw_api(answers(raw)) as url, _passthrough(url) as upstream:
        response = await upstream.send(_POST)

    assert response.headers == [
        ("x-request-id", "r"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("content-length", "0"),
    ]


async def test_environment_proxy_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setitem(os.environ, name, "http://127.0.0.1:9")

    async with (
        raw_api(answers(b"HTTP/1.1 204 No Content\r\n\r\n")) as url,
        _passthrough(url) as upstream,
    ):
        response = await upstream.send(_POST)

    assert response.status == 204


async def test_api_that_is_down_is_unreachable() -> None:
    async with raw_api(silent) as url:
        pass

    async with _passthrough(url) as upstream:
        with pytest.raises(UpstreamUnreachable):
            await upstream.send(_POST)


async def test_api_that_does_not_answer_in_time_times_out() -> None:
    async with raw_api(silent) as url, _passthrough(url, first_byte_timeout_s=0.1) as upstream:
        with pytest.raises(UpstreamTimeout):
            await upstream.send(_POST)


async def test_api_that_stops_in_its_answer_times_out() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345")
        await reader.read(-1)

    async with raw_api(handler) as url, _passthrough(url, first_byte_timeout_s=1.0) as upstream:
        response = await upstream.send(_POST)
        with pytest.raises(UpstreamTimeout):
            await _read(response)


async def test_answer_that_drips_forever_ends_at_the_total_timeout() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"1\r\nx\r\n")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with raw_api(handler) as url, _passthrough(url, total_timeout_s=1.0) as upstream:
        response = await upstream.send(_POST)
        with pytest.raises(UpstreamTimeout):
            await _read(response)


@pytest.mark.parametrize(
    "partial",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n12345\r\n",
    ],
    ids=["counted", "chunked"],
)
async def test_answer_that_breaks_off_is_never_a_clean_end(partial: bytes) -> None:
    async with raw_api(answers_then_hangs_up(partial)) as url, _passthrough(url) as upstream:
        response = await upstream.send(_POST)
        with pytest.raises(UpstreamBroken):
            await _read(response)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"not http at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx-huge: " + b"x" * 100_000 + b"\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 307 Temporary Redirect\r\nlocation: http://elsewhere.example/\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx-bad: a\x01b\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nx(bad): a\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.1 999 X\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nraw",
    ],
    ids=["hangs up", "not HTTP", "huge header", "redirect", "control", "no header name", "status 999", "status 101"],
)
async def test_what_is_not_an_answer_is_broken(answer: bytes) -> None:
    async with raw_api(answers_then_hangs_up(answer)) as url, _passthrough(url) as upstream:
        with pytest.raises(UpstreamBroken):
            await upstream.send(_POST)


async def test_closing_an_unread_answer_drops_the_connection() -> None:
    dropped = asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n")
        await reader.read(-1)
        dropped.set()

    async with raw_api(handler) as url, _passthrough(url) as upstream:
        response = await upstream.send(_POST)
        await response.close()
        async with asyncio.timeout(60):
            await dropped.wait()


def test_upstream_without_a_url_is_a_configuration_error() -> None:
    with pytest.raises(ConfigInvalid, match="not set"):
        Passthrough(UpstreamSettings())

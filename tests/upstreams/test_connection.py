"""One connection to an upstream: what an answer may look like, and when the connection is asked again."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Generator
from typing import Any, cast

import pytest

from guard.errors import RequestInvalid, UpstreamBroken, UpstreamTimeout
from guard.ports import UpstreamRequest, UpstreamResponse
from guard.upstream_settings import UpstreamSettings
from guard.upstreams.passthrough import Passthrough
from tests.server.house import until
from tests.upstreams.raw_api import Handler, answers, raw_api, read_request, remembering

_POST = UpstreamRequest("POST", "/v1/x", "", {}, b'{"n":1}')
_GET = UpstreamRequest("GET", "/v1/models", "", {}, b"")
_HEAD = UpstreamRequest("HEAD", "/v1/models", "", {}, b"")
_OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


@contextlib.asynccontextmanager
async def _passthrough(url: str, **settings: object) -> AsyncIterator[Passthrough]:
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


def _counting(handler: Handler, made: list[int]) -> Handler:
    async def counted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.append(1)
        await handler(reader, writer)

    return counted


def _once(answer: bytes, *, hangs: bool = False) -> Handler:
    """Answer one request; then close the connection, or keep it open in silence."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer)
        await writer.drain()
        if hangs:
            await reader.read(-1)

    return handler


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", 200, b"{}"),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n1;x=y\r\n}\r\n0\r\nx-trailer: 1\r\n\r\n",
            200,
            b"{}",
        ),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", 200, b"until the end"),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\n{}", 200, b"{}"),
        (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 X\r\nlink: y\r\n\r\n" + _OK,
            200,
            b"{}",
        ),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", 304, b""),
    ],
    ids=["length", "chunks", "until the end", "HTTP 1.0", "informational first", "204", "304"],
)
async def test_answer_is_read_to_its_end_however_that_is_told(answer: bytes, status: int, body: bytes) -> None:
    async with raw_api(_once(answer)) as url, _passthrough(url) as upstream:
        response = await upstream.send(_POST)
        assert await _read(response) == body

    assert response.status == status
    assert all(name != "link" for name, _ in response.headers)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nx : a\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 30_000 + b"\r\n",
        b"HTTP/1.1 103 X\r\n" + b"x: " + b"y" * 70_000 + b"\r\n\r\n",
    ],
    ids=["two lengths", "length and chunks", "negative", "blank", "many headers", "1xx"],
)
async def test_answer_with_two_readings_or_without_a_bound_is_broken(answer: bytes) -> None:
    async with raw_api(_once(answer, hangs=True)) as url, _passthrough(url, first_byte_timeout_s=5) as upstream:
        with pytest.raises(UpstreamBroken):
            await upstream.send(_POST)


@pytest.mark.parametrize(
    "broken",
    [
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}xx0\r\n\r\n",
    ],
    ids=["no size", "too long"],
)
async def test_body_that_is_no_http_is_broken(broken: bytes) -> None:
    async with raw_api(_once(broken, hangs=True)) as url, _passthrough(url) as upstream:
        with pytest.raises(UpstreamBroken):
            await _read(await upstream.send(_POST))


async def test_answer_to_nothing_ends_the_connection_before_anybody_takes_it_for_theirs() -> None:
    made: list[int] = []
    doubled = answers(_OK + b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nothers")

    async with raw_api(_counting(doubled, made)) as url, _passthrough(url) as upstream:
        bodies = [await _read(await upstream.send(_POST)) for _ in range(3)]

    assert bodies == [b"{}"] * 3
    assert len(made) == 3


async def test_late_answer_to_nothing_is_nobodys() -> None:
    made: list[int] = []
    is_late = asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(_OK)
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nothers")
        is_late.set()
        await reader.read(-1)

    async with raw_api(_counting(handler, made)) as url, _passthrough(url) as upstream:
        assert await _read(await upstream.send(_POST)) == b"{}"
        await is_late.wait()
        await asyncio.sleep(0.1)
        assert await _read(await upstream.send(_POST)) == b"{}"

    assert len(made) == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\n{}",
    ],
    ids=["close", "HTTP 1.0"],
)
async def test_connection_that_the_upstream_gives_up_is_not_asked_again(answer: bytes) -> None:
    made: list[int] = []

    async with raw_api(_counting(answers(answer), made)) as url, _passthrough(url) as upstream:
        for _ in range(2):
            assert await _read(await upstream.send(_POST)) == b"{}"

    assert len(made) == 2


async def test_connection_that_was_idle_for_too_long_is_closed() -> None:
    made: list[int] = []
    closed = asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.append(1)
        await read_request(reader)
        writer.write(_OK)
        await reader.read(-1)
        closed.set()

    async with raw_api(handler) as url, _passthrough(url, idle_timeout_s=0.1) as upstream:
        await _read(await upstream.send(_POST))
        async with asyncio.timeout(60):
            await closed.wait()
        await _read(await upstream.send(_POST))

    assert len(made) == 2


async def test_head_request_ends_with_the_head_of_its_answer() -> None:
    async with raw_api(answers(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n")) as url, _passthrough(url) as upstream:
        for _ in range(2):
            response = await upstream.send(_HEAD)
            assert (dict(response.headers)["content-length"], await _read(response)) == ("5", b"")


@pytest.mark.parametrize(("request_", "length"), [(_GET, None), (UpstreamRequest("POST", "/v1/x", "", {}, b""), "0")])
async def test_length_is_stated_where_a_body_is_expected(request_: UpstreamRequest, length: str | None) -> None:
    heads: list[str] = []

    async with raw_api(remembering(heads, _OK)) as url, _passthrough(url) as upstream:
        await _read(await upstream.send(request_))

    stated = [line.partition(": ")[2] for line in heads[0].splitlines() if line.lower().startswith("content-length")]
    assert stated == ([] if length is None else [length])


async def test_query_is_sent_byte_for_byte() -> None:
    heads: list[str] = []
    query = "a=%2F&b=c+d&b=%zz&e"

    async with raw_api(remembering(heads, _OK)) as url, _passthrough(url) as upstream:
        await _read(await upstream.send(UpstreamRequest("GET", "/v1/models", query, {}, b"")))

    assert heads[0].splitlines()[0] == f"GET /v1/models?{query} HTTP/1.1"


async def test_bytes_of_a_query_that_are_no_ascii_are_encoded_and_nothing_else() -> None:
    heads: list[str] = []
    query = "a=%2F&b=" + "ü".encode().decode("latin-1")

    async with raw_api(remembering(heads, _OK)) as url, _passthrough(url) as upstream:
        await _read(await upstream.send(UpstreamRequest("GET", "/v1/models", query, {}, b"")))

    assert heads[0].splitlines()[0] == "GET /v1/models?a=%2F&b=%C3%BC HTTP/1.1"


@pytest.mark.parametrize(
    "request_",
    [
        UpstreamRequest("GET", "/v1/models", "", {"x": "a\r\ny: b"}, b""),
        UpstreamRequest("GET", "/v1/models", "", {"x": "a\nb"}, b""),
        UpstreamRequest("GET", "/v1/models", "", {"x\r\ny": "b"}, b""),
        UpstreamRequest("GET", "/v1/mo dels", "", {}, b""),
        UpstreamRequest("GET", "/v1/models", "a\r\nb", {}, b""),
        UpstreamRequest("GET /x HTTP/1.1\r\nx:", "/v1/models", "", {}, b""),
    ],
)
async def test_request_that_would_break_its_line_is_refused_and_not_sent(request_: UpstreamRequest) -> None:
    heads: list[str] = []

    async with raw_api(remembering(heads, _OK)) as url, _passthrough(url) as upstream:
        with pytest.raises(RequestInvalid):
            await upstream.send(request_)

    assert heads == []


async def test_answer_before_the_end_of_a_large_request_is_the_answer() -> None:
    is_read = asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\n{}")
        await writer.drain()
        await is_read.wait()

    async with raw_api(handler) as url, _passthrough(url) as upstream:
        response = await upstream.send(UpstreamRequest("POST", "/v1/x", "", {}, bytes(50_000_000)))
        assert (response.status, await _read(response)) == (413, b"{}")
        is_read.set()


async def test_upstream_that_takes_no_large_body_times_out() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(5)

    async with raw_api(handler) as url, _passthrough(url, first_byte_timeout_s=0.3) as upstream:
        with pytest.raises(UpstreamTimeout):
            await upstream.send(UpstreamRequest("POST", "/v1/x", "", {}, bytes(50_000_000)))


async def test_upstream_waits_while_the_client_reads_slowly_and_is_not_called_silent() -> None:
    part = bytes(2**20)
    sent = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (40 * len(part)))
        for _ in range(40):
            writer.write(part)
            await writer.drain()
            sent += 1

    async with raw_api(handler) as url, _passthrough(url, first_byte_timeout_s=3.0) as upstream:
        response = await upstream.send(_POST)
        await asyncio.sleep(4)
        ahead = sent
        assert len(await _read(response)) == 40 * len(part)

    assert ahead < 40


async def test_requests_beyond_the_most_connections_wait_for_one() -> None:
    made: list[int] = []

    async with (
        raw_api(_counting(answers(_OK), made)) as url,
        _passthrough(url, max_connections=2) as upstream,
    ):
        bodies = await asyncio.gather(*(_send(upstream) for _ in range(10)))

    assert bodies == [b"{}"] * 10
    assert len(made) <= 2


async def test_wait_for_a_free_connection_has_an_end() -> None:
    async with (
        raw_api(_once(b"", hangs=True)) as url,
        _passthrough(url, max_connections=1, connect_timeout_s=0.2) as upstream,
    ):
        first = asyncio.create_task(upstream.send(_POST))
        await asyncio.sleep(0.05)
        with pytest.raises(UpstreamTimeout):
            await upstream.send(_POST)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)


async def test_connection_of_a_cancelled_request_is_dropped_and_its_place_is_free() -> None:
    dropped = asyncio.Event()
    made: list[int] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.append(1)
        await read_request(reader)
        if len(made) > 1:
            writer.write(_OK)
        await reader.read(-1)
        dropped.set()

    async with raw_api(handler) as url, _passthrough(url, max_connections=1) as upstream:
        asking = asyncio.create_task(upstream.send(_POST))
        await until(lambda: bool(made))
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        async with asyncio.timeout(60):
            await dropped.wait()
        assert await _send(upstream) == b"{}"


async def _send(upstream: Passthrough) -> bytes:
    return await _read(await upstream.send(_POST))


async def test_body_that_nobody_reads_to_its_end_gives_the_loop_nothing_to_do() -> None:
    loop, made = asyncio.get_running_loop(), []

    def note(
        loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, Any] | Generator[Any, None, Any], **more: Any
    ) -> asyncio.Task[Any]:
        made.append(coro)
        return asyncio.Task(cast("Coroutine[Any, Any, Any]", coro), loop=loop, **more)

    async with raw_api(_once(_OK, hangs=True)) as url, _passthrough(url) as upstream:
        response = await upstream.send(_GET)
        chunks = response.chunks()
        assert await anext(chunks) == b"{}"
        loop.set_task_factory(note)
        del chunks
        for _ in range(5):
            await asyncio.sleep(0)
        loop.set_task_factory(None)
        await response.close()

    assert made == []

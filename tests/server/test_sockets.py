"""What a hostile or broken client can do to a connection."""

import asyncio

import orjson
import pytest

from tests.fakes import FixedScorer
from tests.server.house import SAFE, UNSAFE, Builder, chat, live, until

_POST = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n"


async def _status_line(url: str, *parts: bytes) -> bytes:
    """Send raw bytes and return the first line of the answer, b"" if the connection was dropped."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        async with asyncio.timeout(60):
            return await reader.readline()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def test_body_that_trickles_is_given_up(build: Builder) -> None:
    house = build(limits={"body_timeout_s": 0.1})

    async with live(house.app) as url:
        status_line = await _status_line(url, _POST + b"content-length: 100\r\n\r\n{")

    assert status_line.startswith(b"HTTP/1.1 408 ")
    assert house.metric("guard_rejected_total", reason="body_timeout") == 1


@pytest.mark.parametrize(
    "head",
    [
        b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"content-length: 5\r\ncontent-length: 6\r\n\r\nabcdef",
        b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"bad header: \x00\r\n\r\n",
    ],
    ids=["length and chunked", "two lengths", "unknown transfer coding", "control in a header"],
)
async def test_requests_with_two_readings_are_refused_at_the_socket(build: Builder, head: bytes) -> None:
    house = build(mode="shadow")

    async with live(house.app) as url:
        status_line = await _status_line(url, _POST + head)

    assert status_line.startswith(b"HTTP/1.1 400 ")
    assert house.upstream.sent == []


@pytest.mark.parametrize("start", [b"", _POST, _POST + b"x-slow: 1"], ids=["nothing", "line", "half a header"])
async def test_head_that_trickles_is_dropped(build: Builder, start: bytes) -> None:
    house = build(limits={"head_timeout_s": 0.1})

    async with live(house.app, house.settings) as url:
        assert await _status_line(url, start) == b""


@pytest.mark.parametrize(
    "head",
    [
        b"x: " + b"y" * 5000 + b"\r\n\r\n",
        b"".join(b"x%d: yyyyyyyy\r\n" % number for number in range(500)) + b"\r\n",
        b"x: " + b"y" * 2_000_000,
    ],
    ids=["one long header", "many headers", "a header without end"],
)
async def test_head_over_its_size_is_refused(build: Builder, head: bytes) -> None:
    house = build(limits={"max_head_bytes": 4096})

    async with live(house.app, house.settings) as url:
        status_line = await _status_line(url, _POST + head)

    assert status_line in (b"", b"HTTP/1.1 400 Bad Request\r\n")
    assert house.upstream.sent == []


@pytest.mark.parametrize(
    "line",
    [
        b"POST http://elsewhere/v1/chat/completions HTTP/1.1",
        b"POST * HTTP/1.1",
        b"CONNECT elsewhere:443 HTTP/1.1",
        b"POST /v1/chat/\xff HTTP/1.1",
        b"POST /v1/chat/%ff HTTP/1.1",
        b"TRACE / HTTP/1.1",
    ],
)
async def test_odd_request_lines_reach_nobody(build: Builder, line: bytes) -> None:
    house = build()

    async with live(house.app) as url:
        status_line = await _status_line(url, line + b"\r\nhost: x\r\ncontent-length: 0\r\n\r\n")

    assert status_line.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 404 "))
    assert house.upstream.sent == []


async def test_path_that_is_a_star_is_refused_with_a_code_and_counted(build: Builder) -> None:
    house = build()

    async with live(house.app) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(b"POST * HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
        answer = await reader.read()
        writer.close()

    assert orjson.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "unknown_route"
    assert house.metric("guard_rejected_total", reason="unknown_route") == 1


_H2C = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n"


def _framed(body: bytes, *, chunked: bool) -> bytes:
    if chunked:
        return b"transfer-encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    return b"content-length: %d\r\n\r\n%s" % (len(body), body)


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("step", [1, 100, 10_000], ids=["byte by byte", "in pieces", "at once"])
async def test_body_of_a_request_that_wishes_for_http_2_is_judged(build: Builder, chunked: bool, step: int) -> None:
    house = build()
    raw = _POST + _H2C + _framed(orjson.dumps(chat(SAFE)), chunked=chunked)

    async with live(house.app) as url:
        status_line = await _status_line(url, *(raw[at : at + step] for at in range(0, len(raw), step)))

    assert status_line == b"HTTP/1.1 200 OK\r\n"
    (sent,) = house.upstream.sent
    assert orjson.loads(sent.body) == chat(SAFE)
    assert not {"upgrade", "http2-settings", "connection"} & sent.headers.keys()


async def test_unsafe_body_behind_a_wish_for_http_2_is_blocked(build: Builder) -> None:
    house = build()

    async with live(house.app) as url:
        status_line = await _status_line(url, _POST + _H2C + _framed(orjson.dumps(chat(UNSAFE)), chunked=False))

    assert status_line.startswith(b"HTTP/1.1 400 ")
    assert house.upstream.sent == []
    assert len(house.scorer.asked) == 1


async def test_requests_behind_one_another_are_all_read_where_each_wishes_for_http_2(build: Builder) -> None:
    house = build()
    bodies = [orjson.dumps(chat(f"{SAFE} {number}")) for number in range(300)]

    async with live(house.app) as url:
        _, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(b"".join(_POST + _H2C + _framed(body, chunked=False) for body in bodies))
        await until(lambda: len(house.upstream.sent) == len(bodies))
        writer.close()

    assert [orjson.loads(sent.body) for sent in house.upstream.sent] == [orjson.loads(body) for body in bodies]


@pytest.mark.parametrize(
    ("path", "document"), [("/v1/chat/completions", chat(SAFE)), ("/guard/classify", [{"text": SAFE}])]
)
async def test_scoring_ends_when_the_client_leaves(build: Builder, path: str, document: object) -> None:
    house = build(scorer=FixedScorer(hang=True))
    body = orjson.dumps(document)

    async with live(house.app) as url:
        _, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        head = b"POST %s HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % (path.encode(), len(body))
        writer.write(head + body)
        await until(lambda: bool(house.scorer.asked))
        writer.close()
        await until(lambda: not house.metric("guard_inflight_requests"))

    labels = {"route": path, "policy": "balanced", "mode": "enforce"}
    assert house.metric("guard_requests_total", **labels, action="left") == 1
    assert house.upstream.sent == []


async def test_client_that_leaves_behind_a_large_body_is_noticed(build: Builder) -> None:
    house = build(scorer=FixedScorer(hang=True))
    body = orjson.dumps(chat(SAFE)) + b" " * 300_000

    async with live(house.app) as url:
        _, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        await until(lambda: bool(house.scorer.asked))
        writer.close()
        await until(lambda: not house.metric("guard_inflight_requests"))

    assert house.upstream.sent == []


async def _open(port: int, path: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET %s HTTP/1.1\r\nhost: x\r\n\r\n" % path)
    return reader, writer


async def test_connection_beyond_the_limit_is_answered_503_and_counted_by_its_server(build: Builder) -> None:
    house = build(limits={"max_connections": 2})
    refused: list[bool] = []

    async with live(house.app, house.settings, on_refused=lambda: refused.append(True)) as url:
        port = int(url.rpartition(":")[2])
        kept = [await _open(port, b"/healthz") for _ in range(2)]
        answers = [await reader.readline() for reader, _ in kept]
        reader, writer = await _open(port, b"/v1/models")
        beyond = await reader.read()
        n_refused = len(refused)
        writer.close()
        for _, writer in kept:
            writer.close()
        again = b""
        async with asyncio.timeout(60):
            while again != b"HTTP/1.1 200 OK\r\n":  # until the server has seen that they are closed
                again = await _status_line(url, b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n")

    head, _, body = beyond.partition(b"\r\n\r\n")
    assert answers == [b"HTTP/1.1 200 OK\r\n"] * 2
    assert head.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: " in head
    assert orjson.loads(body)["error"]["code"] == "overloaded"
    assert n_refused == 1


@pytest.mark.parametrize("path", [b"/healthz", b"/readyz", b"/metrics?x=1"])
async def test_guard_with_all_its_connections_taken_says_that_it_is_alive(build: Builder, path: bytes) -> None:
    house = build(limits={"max_connections": 2})
    refused: list[bool] = []

    async with live(house.app, house.settings, on_refused=lambda: refused.append(True)) as url:
        port = int(url.rpartition(":")[2])
        kept = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        reader, writer = await _open(port, path)
        asked = await reader.read()  # to its end: it does not stay open for more
        writer.close()
        for _, writer in kept:
            writer.close()

    assert asked.startswith(b"HTTP/1.1 200 OK\r\n")
    assert refused == []


async def test_connections_far_beyond_the_limit_are_refused_before_they_ask(build: Builder) -> None:
    house = build(limits={"max_connections": 1})
    refused: list[bool] = []

    async with live(house.app, house.settings, on_refused=lambda: refused.append(True)) as url:
        port = int(url.rpartition(":")[2])
        kept = [await asyncio.open_connection("127.0.0.1", port) for _ in range(17)]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        beyond = await reader.read()
        writer.close()
        for _, writer in kept:
            writer.close()

    assert beyond.startswith(b"HTTP/1.1 503 ")
    assert refused == [True]


async def test_request_behind_one_for_a_page_on_a_spare_connection_reaches_nobody(build: Builder) -> None:
    house = build(limits={"max_connections": 1})

    async with live(house.app, house.settings) as url:
        port = int(url.rpartition(":")[2])
        _, first = await asyncio.open_connection("127.0.0.1", port)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        body = orjson.dumps(chat(SAFE))
        writer.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n" + _POST + _framed(body, chunked=False))
        answer = await reader.read()
        first.close()
        writer.close()

    assert answer.count(b"HTTP/1.1 ") == 1
    assert house.upstream.sent == []

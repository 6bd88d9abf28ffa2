"""The way to the LLM API and back, over real sockets: streams, failures, and clients that leave."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx
import pytest

from guard.config import UpstreamSettings
from guard.server.app import create_app
from guard.upstreams.passthrough import Passthrough
from tests.server.house import SAFE, Builder, House, chat, live, until
from tests.upstreams.raw_api import Handler, answers, answers_then_hangs_up, raw_api, read_request, silent

CHAT = "/v1/chat/completions"
_LABELS = {"route": CHAT, "policy": "balanced", "mode": "enforce"}
_EVENT = b'data: {"choices":[]}\n\n'
_STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def _chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


@contextlib.asynccontextmanager
async def _front(house: House, url: str, **timeouts: float) -> AsyncIterator[httpx.AsyncClient]:
    """Serve a Guard in front of `url` and yield a client of it."""
    upstream = Passthrough(UpstreamSettings.model_validate({"url": url, **timeouts}))
    app = create_app(house.settings, guard=house.guard, upstream=upstream)
    try:
        async with live(app) as guard_url, httpx.AsyncClient(base_url=guard_url, timeout=60) as client:
            yield client
    finally:
        await upstream.close()


async def _ask(build: Builder, url: str, **timeouts: float) -> tuple[httpx.Response, House]:
    """Send a safe chat request through a Guard in front of `url`."""
    house = build()
    async with _front(house, url, **timeouts) as client:
        return await client.post(CHAT, json=chat(SAFE)), house


@pytest.mark.parametrize("status", [400, 401, 429, 500])
async def test_errors_of_the_api_pass_with_status_headers_and_body(build: Builder, status: int) -> None:
    raw = f"HTTP/1.1 {status} X\r\nretry-after: 7\r\ncontent-length: 5\r\n\r\n{{'no}}".encode()

    async with raw_api(answers(raw)) as url:
        answer, house = await _ask(build, url)

    assert (answer.status_code, answer.content, answer.headers["retry-after"]) == (status, b"{'no}", "7")
    assert answer.headers["x-guard-verdict"] == "safe"
    assert house.metric("guard_upstream_requests_total", code=str(status)) == 1


@pytest.mark.parametrize(
    ("handler", "status", "code"),
    [
        (silent, 504, "upstream_timeout"),
        (answers_then_hangs_up(b""), 502, "upstream_broken"),
        (answers_then_hangs_up(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000 + b"\r\n\r\n"), 502, "upstream_broken"),
        (answers(b"HTTP/1.1 200 OK\r\nx: a\x01b\r\ncontent-length: 2\r\n\r\nok"), 502, "upstream_broken"),
        (answers(b"HTTP/1.1 999 X\r\ncontent-length: 2\r\n\r\nok"), 502, "upstream_broken"),
        (answers(b"HTTP/1.1 308 X\r\nlocation: http://api.example/\r\n\r\n"), 502, "upstream_broken"),
    ],
    ids=["slow", "hangs up", "huge headers", "control in a header", "status 999", "redirect past Guard"],
)
async def test_api_that_does_not_answer_has_its_own_code(
    build: Builder, handler: Handler, status: int, code: str
) -> None:
    async with raw_api(handler) as url:
        answer, house = await _ask(build, url, first_byte_timeout_s=0.5 if handler is silent else 60)

    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.headers["x-guard-verdict"] == "safe"
    assert house.metric("guard_upstream_requests_total", code=code) == 1


async def test_answer_keeps_the_length_that_the_api_states(build: Builder) -> None:
    async with raw_api(answers(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello")) as url:
        answer, _ = await _ask(build, url)

    assert (answer.content, answer.headers["content-length"]) == (b"hello", "5")
    assert "transfer-encoding" not in answer.headers


async def test_answer_without_a_body_may_state_a_length(build: Builder) -> None:
    async with raw_api(answers(b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n")) as url:
        answer, _ = await _ask(build, url)

    assert (answer.status_code, answer.content) == (304, b"")


async def test_head_request_has_the_length_of_the_body_that_it_lacks(build: Builder) -> None:
    async with (
        raw_api(answers(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n")) as url,
        _front(build(mode="shadow"), url) as client,
    ):
        answer = await client.head("/v1/files")

    assert (answer.status_code, answer.headers["content-length"], answer.content) == (200, "5", b"")


async def test_headers_in_utf_8_pass_both_ways_byte_for_byte(build: Builder) -> None:
    heads: list[str] = []
    name = "Zoë".encode()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await read_request(reader))[0])
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx-name: " + name + b"\r\nx-latin: \xeb\r\n\r\n")

    async with raw_api(handler) as url, _front(build(), url) as client:
        answer = await client.post(CHAT, json=chat(SAFE), headers=[(b"x-name", name)])

    assert f"x-name: {name.decode('latin-1')}\r\n" in heads[0]
    returned = dict(answer.headers.raw)
    assert (returned[b"x-name"], returned[b"x-latin"]) == (name, b"\xeb")


async def test_header_that_cannot_be_sent_as_it_came_is_refused(build: Builder) -> None:
    house = build()

    async with house.client() as client:
        answer = await client.post(CHAT, json=chat(SAFE), headers=[(b"x-name", b"\xeb")])

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "request_invalid")
    assert house.upstream.sent == []


@pytest.mark.parametrize("name", ["x-original-url", "x-rewrite-url", "x-http-method-override", "x-http-method"])
async def test_header_that_could_lead_past_the_judged_path_is_not_sent_on(build: Builder, name: str) -> None:
    house = build()

    async with house.client() as client:
        await client.post(CHAT, json=chat(SAFE), headers={name: "/v1/responses", "x-kept": "1"})

    (sent,) = house.upstream.sent
    assert (sent.headers.get(name), sent.headers["x-kept"]) == (None, "1")


@pytest.mark.parametrize(
    ("cookies", "sent_on"),
    [
        ("guard-console=abc.def", None),
        ("__Host-guard=abc.def", None),
        ("a=1; guard-console=abc.def; b=2", "a=1; b=2"),
        ("guard-console =abc;__Host-guard=d;  a=1", "a=1"),
        ("my-guard-console=1", "my-guard-console=1"),
    ],
)
async def test_session_of_the_console_is_never_sent_on(build: Builder, cookies: str, sent_on: str | None) -> None:
    house = build()

    async with house.client() as client:
        await client.post(CHAT, json=chat(SAFE), headers={"cookie": cookies})
        await client.get("/v1/models", headers={"cookie": cookies})

    assert [sent.headers.get("cookie") for sent in house.upstream.sent] == [sent_on, sent_on]


async def test_api_that_is_down_is_502(build: Builder) -> None:
    async with raw_api(silent) as url:
        pass

    answer, house = await _ask(build, url)

    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_unreachable")
    assert house.metric("guard_upstream_requests_total", code="upstream_unreachable") == 1


async def test_first_event_arrives_before_the_second_is_written(build: Builder) -> None:
    first_seen = asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(_STREAM_HEAD + _chunk(_EVENT))
        await first_seen.wait()
        writer.write(_chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")

    async with (
        raw_api(handler) as url,
        _front(build(), url) as client,
        client.stream("POST", CHAT, json=chat(SAFE, stream=True)) as answer,
    ):
        parts = answer.aiter_raw()
        first = await anext(parts)
        first_seen.set()
        rest = b"".join([part async for part in parts])

    assert (first, rest) == (_EVENT, b"data: [DONE]\n\n")
    assert answer.headers["x-guard-verdict"] == "safe"


async def _receive_broken(client: httpx.AsyncClient) -> bytes:
    """Return what a client gets of an answer that breaks off; a clean end fails the test."""
    received = b""
    try:
        async with client.stream("POST", CHAT, json=chat(SAFE)) as answer:
            async for part in answer.aiter_raw():
                received += part
    except httpx.RemoteProtocolError:
        return received
    pytest.fail("the answer ended cleanly")


async def test_stream_that_breaks_off_ends_with_an_error_event_and_a_dropped_connection(build: Builder) -> None:
    house = build()

    async with raw_api(answers_then_hangs_up(_STREAM_HEAD + _chunk(_EVENT))) as url, _front(house, url) as client:
        received = await _receive_broken(client)

    assert received.startswith(_EVENT)
    assert b'"code":"upstream_broken"' in received
    assert b"[DONE]" not in received
    assert house.metric("guard_upstream_requests_total", code="upstream_broken") == 1


async def test_compressed_stream_that_breaks_off_gets_no_plain_event(build: Builder) -> None:
    head = _STREAM_HEAD.replace(b"\r\n\r\n", b"\r\ncontent-encoding: gzip\r\n\r\n")

    async with raw_api(answers_then_hangs_up(head + _chunk(b"\x1f\x8b"))) as url, _front(build(), url) as client:
        received = await _receive_broken(client)

    assert received == b"\x1f\x8b"


async def test_document_that_breaks_off_is_dropped_in_its_middle(build: Builder) -> None:
    half = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"half":'

    async with raw_api(answers_then_hangs_up(half)) as url, _front(build(), url) as client:
        received = await _receive_broken(client)

    assert received == b'{"half":'


async def test_upstream_call_ends_when_the_client_leaves(build: Builder) -> None:
    api_was_asked, api_was_dropped = asyncio.Event(), asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        api_was_asked.set()
        await reader.read(-1)
        api_was_dropped.set()

    house = build()
    async with raw_api(handler) as url, _front(house, url) as client:
        asking = asyncio.create_task(client.post(CHAT, json=chat(SAFE)))
        await api_was_asked.wait()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        async with asyncio.timeout(60):
            await api_was_dropped.wait()

    await until(lambda: house.metric("guard_inflight_requests") == 0)
    assert house.metric("guard_requests_total", **_LABELS, action="allow") == 1
    assert house.metric("guard_upstream_requests_total", code="cancelled") == 1


async def test_client_that_closes_its_stream_at_done_is_served_as_any_other(build: Builder) -> None:
    stream_was_closed = asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(_STREAM_HEAD + _chunk(b"data: [DONE]\n\n"))
        await reader.read(-1)
        stream_was_closed.set()

    house = build()
    async with raw_api(handler) as url, _front(house, url) as client:
        async with client.stream("POST", CHAT, json=chat(SAFE, stream=True)) as answer:
            assert await anext(answer.aiter_raw()) == b"data: [DONE]\n\n"
        async with asyncio.timeout(60):
            await stream_was_closed.wait()

    await until(lambda: house.metric("guard_inflight_requests") == 0)
    assert house.metric("guard_requests_total", **_LABELS, action="allow") == 1
    assert house.metric("guard_upstream_requests_total", code="200") == 1


async def test_websocket_upgrade_is_no_way_past_guard(build: Builder) -> None:
    house = build()
    upgrade = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13", "sec-websocket-key": "x"}

    async with live(house.app) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        answer = await client.get("/v1/realtime", headers=upgrade)

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_route")
    assert house.upstream.sent == []

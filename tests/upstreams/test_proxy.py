"""An outbound proxy: requests go through it, its password stays with it, and its failures are no answers."""

import asyncio
import base64
import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
import trustme

from guard.errors import ConfigInvalid, UpstreamUnreachable
from guard.ports import UpstreamRequest
from guard.upstream_settings import UpstreamSettings
from guard.upstreams.passthrough import Passthrough
from tests.upstreams.raw_api import Handler, answers, raw_api, read_request

_POST = UpstreamRequest("POST", "/v1/chat/completions", "", {"authorization": "Bearer k"}, b'{"n":1}')
_OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
_LOGIN = {"PROXY_LOGIN": "guard:geheim"}
_BASIC = "proxy-authorization: Basic " + base64.b64encode(b"guard:geheim").decode()


@contextlib.asynccontextmanager
async def _passthrough(
    settings: Mapping[str, object], environment: Mapping[str, str] | None = None
) -> AsyncIterator[Passthrough]:
    upstream = Passthrough(UpstreamSettings.model_validate(settings), environment)
    try:
        yield upstream
    finally:
        await upstream.close()


def _tunnel(heads: list[str]) -> Handler:
    """A proxy that makes tunnels, and remembers what it was asked for."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await read_request(reader))[0]
        heads.append(head)
        host, _, port = head.split()[1].rpartition(":")
        upstream_reader, upstream_writer = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")

        async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                while data := await source.read(2**16):
                    sink.write(data)
            sink.close()

        await asyncio.gather(copy(reader, upstream_writer), copy(upstream_reader, writer))

    return handler


@pytest.mark.parametrize("login", [{"proxy_login_env": "PROXY_LOGIN"}, {"proxy_login": "env:PROXY_LOGIN"}])
async def test_request_over_plain_http_goes_to_the_proxy_with_its_whole_address(login: dict[str, str]) -> None:
    heads: list[str] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await read_request(reader))[0])
        writer.write(_OK)

    settings = {"url": "http://llm.example:8000/v1", **login}
    async with raw_api(handler) as proxy, _passthrough({**settings, "proxy": proxy}, _LOGIN) as upstream:
        response = await upstream.send(_POST)
        await response.close()

    (head,) = heads
    assert head.startswith("POST http://llm.example:8000/v1/chat/completions HTTP/1.1\r\n")
    assert _BASIC.lower() in head.lower()


async def test_tls_runs_through_the_proxy_which_sees_neither_key_nor_request(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    heads: list[str] = []
    received: list[str] = []

    async def api(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append((await read_request(reader))[0])
        writer.write(_OK)

    async with raw_api(api, tls=context) as url, raw_api(_tunnel(heads)) as proxy:
        settings = {
            "url": url,
            "proxy": proxy,
            "proxy_login_env": "PROXY_LOGIN",
            "tls": {"ca_file": tmp_path / "ca.pem"},
        }
        async with _passthrough(settings, _LOGIN) as upstream:
            response = await upstream.send(_POST)
            assert [chunk async for chunk in response.chunks()] == [b"{}"]

    assert heads[0].startswith(f"CONNECT {url.removeprefix('https://')} HTTP/1.1\r\n")
    assert _BASIC.lower() in heads[0].lower()
    assert "Bearer k" not in heads[0]
    assert "Bearer k" in received[0]
    assert "proxy-authorization" not in received[0].lower()


@pytest.mark.parametrize("status", [403, 407, 502])
async def test_proxy_that_makes_no_tunnel_leaves_the_upstream_unreachable(status: int) -> None:
    refusal = f"HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n".encode()

    async with (
        raw_api(answers(refusal)) as proxy,
        _passthrough({"url": "https://llm.example", "proxy": proxy}) as upstream,
    ):
        with pytest.raises(UpstreamUnreachable):
            await upstream.send(_POST)


async def test_proxy_that_is_down_leaves_the_upstream_unreachable() -> None:
    async with raw_api(answers(_OK)) as url, _passthrough({"url": url, "proxy": "http://127.0.0.1:9"}) as upstream:
        with pytest.raises(UpstreamUnreachable):
            await upstream.send(_POST)


@pytest.mark.parametrize("environment", [{}, {"PROXY_LOGIN": "without-a-colon"}])
def test_login_that_is_missing_or_none_stops_the_start_without_being_shown(environment: dict[str, str]) -> None:
    settings = UpstreamSettings.model_validate(
        {"url": "http://llm.example", "proxy": "http://127.0.0.1:9", "proxy_login_env": "PROXY_LOGIN"}
    )

    with pytest.raises(ConfigInvalid, match="PROXY_LOGIN") as error:
        Passthrough(settings, environment)

    assert "without-a-colon" not in str(error.value)

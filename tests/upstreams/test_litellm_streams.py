"""Streams of other providers through litellm, and providers that break off, stumble, fall silent or are down."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from guard.errors import (
    UpstreamBroken,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from guard.upstream_settings import UpstreamSettings
from guard.upstreams.opening import open_upstreams
from tests.server.house import until
from tests.upstreams.litellm_house import ENVIRONMENT, SHAPES, ask, behind, read
from tests.upstreams.providers import Provider
from tests.upstreams.raw_api import raw_api

# litellm's own: it is not Guard's to mend.
pytestmark = pytest.mark.filterwarnings("ignore")


@SHAPES
async def test_stream_is_passed_on_while_it_comes(shape: str) -> None:
    async with behind(Provider(shape, pause_s=0.3)) as upstream:
        response = await upstream.send(ask(stream=True))
        times = [time.perf_counter() async for _ in response.chunks()]
        await response.close()

    assert times[-1] - times[0] > 0.1


@SHAPES
@pytest.mark.parametrize("cut_after", [0, 3])
async def test_stream_that_breaks_off_is_never_a_clean_end(shape: str, cut_after: int) -> None:
    provider = Provider(shape, cut_after=cut_after if shape == "anthropic" else min(cut_after, 2))
    got = b""

    async with behind(provider) as upstream:
        with pytest.raises(UpstreamBroken):  # noqa: PT012 - what came before is asserted too
            response = await upstream.send(ask(stream=True))
            async for event in response.chunks():
                got += event

    assert b"[DONE]" not in got


@SHAPES
@pytest.mark.parametrize("is_stream", [False, True])
async def test_provider_that_says_nothing_times_out(shape: str, is_stream: bool) -> None:
    async with behind(Provider(shape, hangs=True), first_byte_timeout_s=0.3) as upstream:
        with pytest.raises(UpstreamTimeout):
            await upstream.send(ask(stream=is_stream))


@SHAPES
async def test_stream_that_falls_silent_times_out(shape: str) -> None:
    provider = Provider(shape)

    async with behind(provider) as unhurried:
        await read(await unhurried.send(ask()))  # what is slow the first time is over
    async with behind(provider, first_byte_timeout_s=3.0) as upstream:
        provider.silent_after = 4 if shape == "anthropic" else 2
        response = await upstream.send(ask(stream=True))
        with pytest.raises(UpstreamTimeout):
            await read(response)


async def test_stream_ends_at_the_total_timeout() -> None:
    async with behind(Provider("openai", pause_s=1.0), total_timeout_s=2.5) as upstream:
        with pytest.raises(UpstreamTimeout):
            await read(await upstream.send(ask(stream=True)))


@pytest.mark.parametrize("failure", [KeyError("content"), AttributeError("text"), TypeError("of None")])
async def test_answer_that_litellm_stumbles_over_is_broken(failure: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    import litellm

    async def stumble(**_: Any) -> Any:
        raise failure

    async with behind(Provider("openai")) as upstream:
        monkeypatch.setattr(litellm, "acompletion", stumble)
        with pytest.raises(UpstreamBroken, match="cannot be translated"):
            await upstream.send(ask())


@pytest.mark.parametrize("reads", [0, 1])
async def test_stream_that_litellm_stumbles_over_is_broken(reads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    import litellm

    async def stumble(**_: Any) -> Any:
        async def chunks() -> AsyncIterator[Any]:
            for _ in range(reads):
                yield litellm.ModelResponseStream()
            raise KeyError("delta")

        return chunks()

    async with behind(Provider("openai")) as upstream:
        monkeypatch.setattr(litellm, "acompletion", stumble)
        with pytest.raises(UpstreamBroken):
            await read(await upstream.send(ask(stream=True)))


@SHAPES
async def test_provider_that_is_down_is_unreachable(shape: str) -> None:
    async with behind(Provider(shape), url="http://127.0.0.1:9") as upstream:
        with pytest.raises(UpstreamUnreachable):
            await upstream.send(ask())


@SHAPES
async def test_closing_a_stream_drops_the_providers_connection(shape: str) -> None:
    provider = Provider(shape, pause_s=0.2)

    async with behind(provider) as upstream:
        response = await upstream.send(ask(stream=True))
        await anext(response.chunks().__aiter__())
        await response.close()
        async with asyncio.timeout(60):
            await provider.was_dropped.wait()


@SHAPES
async def test_client_that_leaves_before_the_answer_drops_the_providers_connection(shape: str) -> None:
    provider = Provider(shape, hangs=True)

    async with behind(provider) as upstream:
        asking = asyncio.create_task(upstream.send(ask()))
        await until(lambda: bool(provider.bodies))
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        async with asyncio.timeout(60):
            await provider.was_dropped.wait()


async def test_connections_to_the_provider_are_reused() -> None:
    connections = 0
    provider = Provider("anthropic")

    async def counted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await provider(reader, writer)

    async with raw_api(counted) as url:
        settings = {"litellm": {"mine": "anthropic/m"}, "url": url, "key_env": "PROVIDER_KEY"}
        upstream = open_upstreams(UpstreamSettings.model_validate(settings), ENVIRONMENT)
        for _ in range(3):
            await read(await upstream.send(ask()))
        await upstream.close()

    assert connections == 1

"""What every `Upstream` keeps to: the real ones over sockets, several behind one, and the fake."""

import contextlib
from collections.abc import AsyncIterator

import pytest

from guard.errors import UpstreamBroken, UpstreamUnreachable
from guard.ports import Upstream, UpstreamRequest
from guard.upstream_settings import UpstreamSettings
from guard.upstreams.opening import open_upstreams
from tests.fakes import FakeUpstream
from tests.upstreams.providers import Provider
from tests.upstreams.raw_api import answers, answers_then_hangs_up, raw_api

# litellm's own: it is not Guard's to mend.
pytestmark = pytest.mark.filterwarnings("ignore")

_BODY = b'{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}'
_REQUEST = UpstreamRequest("POST", "/v1/chat/completions", "", {"authorization": "Bearer k"}, _BODY, "m")
_EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_ONE = b"9\r\ndata: {}\n\r\n"
_NOBODY = "http://127.0.0.1:9"

KINDS = pytest.mark.parametrize("kind", ["passthrough", "by model", "litellm", "fake"])


@contextlib.asynccontextmanager
async def _upstream(kind: str, *, is_cut_short: bool = False) -> AsyncIterator[Upstream]:
    """Yield an upstream of a kind that streams an answer, to its end or not."""
    if kind == "fake":
        yield FakeUpstream(headers={"content-type": "text/event-stream"}, body=[b"data: {}\n\n"], breaks=is_cut_short)
        return
    plain = answers_then_hangs_up(_EVENTS + _ONE) if is_cut_short else answers(_EVENTS + _ONE + b"0\r\n\r\n")
    handler = Provider("openai", cut_after=2 if is_cut_short else None) if kind == "litellm" else plain
    async with raw_api(handler) as url:
        upstream = _open(kind, url)
        try:
            yield upstream
        finally:
            await upstream.close()


def _open(kind: str, url: str) -> Upstream:
    if kind == "fake":
        return FakeUpstream(failure=UpstreamUnreachable("no connection"))
    settings = {
        "passthrough": {"url": url},
        "by model": {"others": {"one": {"url": url, "models": ["m"]}}},
        "litellm": {"url": url, "litellm": {"m": "openai/m"}},
    }
    return open_upstreams(UpstreamSettings.model_validate(settings[kind]), {})


@KINDS
async def test_answer_has_status_headers_in_lower_case_and_its_body(kind: str) -> None:
    async with _upstream(kind) as upstream:
        response = await upstream.send(_REQUEST)
        body = b"".join([chunk async for chunk in response.chunks()])
        await response.close()

    assert (response.status, dict(response.headers)["content-type"]) == (200, "text/event-stream")
    assert body.startswith(b"data: {")


@KINDS
async def test_answer_that_ends_too_early_is_broken_behind_what_came(kind: str) -> None:
    came = []

    async with _upstream(kind, is_cut_short=True) as upstream:
        response = await upstream.send(_REQUEST)
        with pytest.raises(UpstreamBroken):  # noqa: PT012 - what came before is asserted too
            async for chunk in response.chunks():
                came.append(chunk)  # noqa: PERF401 - a comprehension would lose what came
        await response.close()

    assert b"".join(came).startswith(b"data: {")
    assert b"[DONE]" not in b"".join(came)


@KINDS
async def test_api_that_is_not_there_is_unreachable(kind: str) -> None:
    upstream = _open(kind, _NOBODY)
    with pytest.raises(UpstreamUnreachable):
        await upstream.send(_REQUEST)
    await upstream.close()


@KINDS
async def test_closing_twice_is_fine(kind: str) -> None:
    async with _upstream(kind) as upstream:
        response = await upstream.send(_REQUEST)
        await response.close()
        await response.close()
        await upstream.close()

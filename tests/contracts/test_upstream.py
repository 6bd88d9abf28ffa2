"""What every `Upstream` keeps to: the real one over a socket, and the fake."""

import contextlib
from collections.abc import AsyncIterator

import pytest

from guard.config import UpstreamSettings
from guard.errors import UpstreamBroken, UpstreamUnreachable
from guard.ports import Upstream, UpstreamRequest
from guard.upstreams.passthrough import Passthrough
from tests.fakes import FakeUpstream
from tests.upstreams.raw_api import Handler, answers, answers_then_hangs_up, raw_api

_REQUEST = UpstreamRequest("POST", "/v1/chat/completions", "", {"authorization": "Bearer k"}, b"{}")
_WHOLE = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
_CUT_SHORT = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{}"
_NOBODY = "http://127.0.0.1:9"

KINDS = pytest.mark.parametrize("kind", ["passthrough", "fake"])


@contextlib.asynccontextmanager
async def _upstream(kind: str, handler: Handler, fake: FakeUpstream) -> AsyncIterator[Upstream]:
    async with raw_api(handler) as url:
        upstream: Upstream = Passthrough(UpstreamSettings.model_validate({"url": url})) if kind != "fake" else fake
        try:
            yield upstream
        finally:
            await upstream.close()


@KINDS
async def test_answer_has_status_headers_in_lower_case_and_its_body(kind: str) -> None:
    fake = FakeUpstream(status=201, headers={"content-type": "application/json"}, body=[b"{", b"}"])

    async with _upstream(kind, answers(_WHOLE), fake) as upstream:
        response = await upstream.send(_REQUEST)
        body = b"".join([chunk async for chunk in response.chunks()])
        await response.close()

    assert (response.status, dict(response.headers)["content-type"], body) == (201, "application/json", b"{}")


@KINDS
async def test_answer_that_ends_too_early_is_broken_behind_what_came(kind: str) -> None:
    fake = FakeUpstream(body=[b"{}"], breaks=True)
    came = []

    async with _upstream(kind, answers_then_hangs_up(_CUT_SHORT), fake) as upstream:
        response = await upstream.send(_REQUEST)
        with pytest.raises(UpstreamBroken):  # noqa: PT012 - what came before is asserted too
            async for chunk in response.chunks():
                came.append(chunk)  # noqa: PERF401 - a comprehension would lose what came
        await response.close()

    assert b"".join(came) == b"{}"


@pytest.mark.parametrize(
    "upstream",
    [
        Passthrough(UpstreamSettings.model_validate({"url": _NOBODY})),
        FakeUpstream(failure=UpstreamUnreachable("no connection")),
    ],
    ids=["passthrough", "fake"],
)
async def test_api_that_is_not_there_is_unreachable(upstream: Upstream) -> None:
    with pytest.raises(UpstreamUnreachable):
        await upstream.send(_REQUEST)
    await upstream.close()


@KINDS
async def test_closing_twice_is_fine(kind: str) -> None:
    async with _upstream(kind, answers(_WHOLE), FakeUpstream()) as upstream:
        response = await upstream.send(_REQUEST)
        await response.close()
        await response.close()
        await upstream.close()

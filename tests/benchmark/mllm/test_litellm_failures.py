"""What becomes of a question that an API does not answer, through litellm itself."""

from collections.abc import Mapping

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from benchmark.judgement import UNREACHABLE, Judgement
from benchmark.mllm.asking import Asking
from benchmark.opening import open_target
from guard import Pair
from guard.errors import UsageError
from guard.types import ImageInput
from tests.benchmark.mllm.api import Api, error
from tests.pictures import solid

# litellm's own: it is not Guard's to mend.
pytestmark = pytest.mark.filterwarnings("ignore")

PAIR = Pair("taste it", (ImageInput(data=solid("red")),))
MODELS = ("openai/gpt-4o", "anthropic/claude-opus-5-5", "gemini/gemini-2.5-flash")
_NO_MESSAGE = '{"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [{"message": null}]}'


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.setenv(name, "sk-stand-in")


async def _judge(api: Api, **asking: object) -> Judgement:
    async with api.serve() as url:
        return await _ask("openai/gpt-4o", url, **asking)


async def _ask(model: str, url: str, **asking: object) -> Judgement:
    settings: Mapping[str, object] = {"attempts": 1, **asking}
    target = await open_target(f"litellm:{model}", asking=Asking(api_base=url, **settings))  # type: ignore[arg-type]
    try:
        return await target.judge(PAIR)
    finally:
        await target.close()


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, '{"error": {"message": "no"}}', "http_400"),
        (429, '{"error": {"message": "no"}}', "http_429"),
        (500, '{"error": {"message": "no"}}', "http_500"),
        (502, "<html>no</html>", "http_502"),
        (529, '{"type": "error", "error": {"type": "overloaded_error", "message": "no"}}', "http_529"),
        (200, '{"id": "1", "choi', "answer_broken"),
        (200, "[1]", "answer_broken"),
        (200, '"hello"', "answer_broken"),
        (200, "{}", "answer_broken"),
        (200, _NO_MESSAGE, "answer_broken"),
    ],
)
async def test_failure_is_named_by_what_the_api_said(model: str, status: int, body: str, code: str) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, text=body, content_type="application/json")

    app = web.Application(client_max_size=2**26)
    app.router.add_post("/{path:.*}", answer)
    async with TestServer(app) as server:
        judgement = await _ask(model, str(server.make_url("/v1")))
    assert (judgement.unsafe, judgement.code, judgement.failed) == (None, code, True)


async def test_too_many_requests_are_asked_again_when_the_api_says() -> None:
    api = Api(fail_first=[error(429, retry_after="0"), error(503)])
    judgement = await _judge(api, attempts=3)
    assert (judgement.unsafe, judgement.requests, len(api.bodies)) == (False, 3, 3)


async def test_api_that_does_not_answer_in_time_or_at_all_is_a_failure() -> None:
    target = await open_target("litellm:openai/gpt-4o", asking=Asking(api_base="http://127.0.0.1:9/v1", attempts=1))
    judgement = await target.judge(PAIR)
    await target.close()
    assert (judgement.code, judgement.failed) == (UNREACHABLE, True)


@pytest.mark.parametrize(("status", "why"), [(401, "does not accept the key"), (404, "no such model")])
async def test_request_that_cannot_succeed_ends_the_run(status: int, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        await _judge(Api(fail_first=[error(status)]))


async def test_api_that_says_nothing_is_given_up_after_its_time() -> None:
    judgement = await _judge(Api(hangs_s=30), timeout_s=0.3)
    assert (judgement.unsafe, judgement.code, judgement.failed) == (None, "target_timeout", True)

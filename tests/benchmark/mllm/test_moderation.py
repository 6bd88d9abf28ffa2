"""Moderation endpoints: a stand-in in OpenAI's shape, and Guard's own."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from benchmark.bounded import MOST_BYTES
from benchmark.judgement import UNREACHABLE, Judgement
from benchmark.mllm.asking import Asking
from benchmark.opening import open_target
from guard import Pair, Settings, create_app, open_guard
from guard.errors import UsageError
from guard.mllm.questions import Mitigation
from guard.server.run import address_of, bind, make_server
from guard.types import ImageInput
from tests.pictures import solid
from tests.tiny_bundle import make_tiny_bundle

PAIR = Pair("taste it", (ImageInput(data=solid("red")),))


@dataclass
class Endpoint:
    """Gives the same answer to everything, and remembers what it was sent."""

    results: Sequence[dict[str, Any]] = ()
    status: int = 200
    text: str | None = None
    bodies: list[Any] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.json())
        self.keys.append(request.headers.get("authorization"))
        if self.text is not None:
            return web.Response(text=self.text, status=self.status, content_type="application/json")
        return web.json_response({"id": "m", "model": "omni", "results": list(self.results)}, status=self.status)

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_post("/v1/moderations", self.answer)
        async with TestServer(app) as server:
            yield str(server.make_url("/v1"))


async def _judge(endpoint: Endpoint, pair: Pair = PAIR) -> Judgement:
    async with endpoint.serve() as url:
        target = await open_target("moderation:omni", asking=Asking(api_base=url, attempts=1))
        try:
            return await target.judge(pair)
        finally:
            await target.close()


async def test_flag_decides_and_the_likeliest_category_is_the_score(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-stand-in")
    endpoint = Endpoint([{"flagged": True, "category_scores": {"violence": 0.2, "self-harm": 0.7}}])
    judgement = await _judge(endpoint)
    assert (judgement.unsafe, judgement.probability) == (True, 0.7)
    text, picture = endpoint.bodies[0]["input"]
    assert text == {"type": "text", "text": "taste it"}
    assert picture["image_url"]["url"].startswith("data:image/png;base64,")
    assert endpoint.keys == ["Bearer sk-stand-in"]


async def test_one_flag_among_several_results_is_enough() -> None:
    results = [{"flagged": False, "category_scores": {}}, {"flagged": True, "category_scores": {}}]
    judgement = await _judge(Endpoint(results))
    assert (judgement.unsafe, judgement.probability) == (True, None)


@pytest.mark.parametrize("text", ['{"results": [', '{"results": []}', "[]", '{"results": [{}]}', '{"results": 3}'])
async def test_answer_that_is_none_is_a_failure(text: str) -> None:
    judgement = await _judge(Endpoint(text=text))
    assert (judgement.unsafe, judgement.code, judgement.failed) == (None, "answer_broken", True)


@pytest.mark.parametrize("score", [True, "0.7", 1.5, -1, None, []])
async def test_score_that_is_no_probability_is_none_and_the_flag_stays(score: object) -> None:
    judgement = await _judge(Endpoint([{"flagged": True, "category_scores": {"violence": 0.2, "hate": score}}]))
    assert (judgement.unsafe, judgement.probability) == (True, None)


async def test_answer_without_end_fills_no_memory() -> None:
    answer = json.dumps({"results": [{"flagged": False}]})
    assert (await _judge(Endpoint(text=answer + " " * MOST_BYTES))).code == "answer_broken"
    assert (await _judge(Endpoint(text=answer + " " * 1000))).unsafe is False


@pytest.mark.parametrize(("status", "code"), [(500, "http_500"), (429, "http_429"), (400, "http_400")])
async def test_error_is_a_failure_by_its_status(status: int, code: str) -> None:
    judgement = await _judge(Endpoint(status=status))
    assert (judgement.code, judgement.failed) == (code, True)


async def test_picture_that_the_endpoint_cannot_use_is_unjudged() -> None:
    judgement = await _judge(Endpoint(status=400, text='{"error": {"code": "image_rejected"}}'))
    assert (judgement.code, judgement.failed) == ("image_rejected", False)


async def test_wrong_key_ends_the_run() -> None:
    with pytest.raises(UsageError, match="answers with HTTP 401"):
        await _judge(Endpoint(status=401))


async def test_endpoint_that_is_not_there_is_a_failure() -> None:
    target = await open_target("moderation:omni", asking=Asking(api_base="http://127.0.0.1:9/v1", attempts=1))
    judgement = await target.judge(PAIR)
    await target.close()
    assert (judgement.code, judgement.failed) == (UNREACHABLE, True)


async def test_openais_own_endpoint_needs_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(UsageError, match="set OPENAI_API_KEY"):
        await open_target("moderation:omni-moderation-latest")


async def test_endpoint_that_is_not_asked_in_words_takes_no_mitigation() -> None:
    with pytest.raises(UsageError, match="no mitigation applies"):
        await open_target("moderation:omni", asking=Asking(mitigation=Mitigation.PROMPT))


async def test_guards_own_endpoint_judges_as_guard_does(tmp_path: Path) -> None:
    bundle = make_tiny_bundle(tmp_path / "tiny")
    settings = Settings.model_validate({"bundle": str(bundle.path), "ocr": {"mode": "off"}})
    bound, ready = bind("127.0.0.1", 0), asyncio.Event()
    server = make_server(create_app(settings, guard=open_guard(settings)), settings, ready.set)
    task = asyncio.create_task(server.serve(sockets=[bound]))
    try:
        await ready.wait()
        url = f"{address_of(bound)}/v1"
        target = await open_target("moderation:guard", asking=Asking(api_base=url, attempts=1))
        red, green = (Pair("please taste", (ImageInput(data=solid(colour)),)) for colour in ("blue", "green"))
        verdicts = [(await target.judge(pair)).unsafe for pair in (red, green)]
        await target.close()
    finally:
        server.should_exit = True
        await task
    assert verdicts == [False, True]


@pytest.mark.parametrize("code", ["image_\x1b[31mx", "image_" + "x" * 100, "image_Upper"])
async def test_code_that_is_none_is_not_repeated(code: str) -> None:
    judgement = await _judge(Endpoint(status=400, text=json.dumps({"error": {"code": code}})))
    assert (judgement.code, judgement.failed) == ("http_400", True)


async def test_flag_that_is_no_truth_value_is_no_verdict_and_missing_scores_are_no_failure() -> None:
    broken = await _judge(Endpoint(results=[{"flagged": "false", "category_scores": {}}]))
    assert (broken.unsafe, broken.code) == (None, "answer_broken")
    bare = await _judge(Endpoint(results=[{"flagged": True, "category_scores": None}]))
    assert (bare.unsafe, bare.probability) == (True, None)

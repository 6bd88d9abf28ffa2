"""A whole Guard in front of several upstreams: what was judged decides who gets it, and errors have the API's form."""

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from guard.config import Settings
from guard.server.app import create_app
from guard.upstream_settings import UpstreamSettings
from tests.pictures import solid
from tests.server.house import SAFE, UNSAFE, Builder, House, chat
from tests.upstreams.providers import Provider
from tests.upstreams.raw_api import raw_api, remembering

# litellm's own: it is not Guard's to mend.
pytestmark = pytest.mark.filterwarnings("ignore")

CHAT = "/v1/chat/completions"
_OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
_KEY = {"authorization": "Bearer sk-caller"}


@contextlib.asynccontextmanager
async def _front(house: House, upstream: dict[str, Any]) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of a Guard that opens these upstreams."""
    chosen = house.settings.model_copy(update={"upstream": UpstreamSettings.model_validate(upstream)})
    async with _served(house, chosen) as client:
        yield client


@contextlib.asynccontextmanager
async def _served(house: House, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(settings, guard=house.guard)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://guard") as client,
    ):
        yield client


def _others(url: str) -> dict[str, Any]:
    return {"others": {"claude": {"url": url, "models": ["claude-*", "my-deployment"]}}}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, chat(SAFE, model="claude-3")),
        ("/v1/messages", {"model": "claude-3", "max_tokens": 5, "messages": [{"role": "user", "content": SAFE}]}),
        ("/v1/responses", {"model": "claude-3", "input": SAFE}),
        ("/v1/completions", {"model": "claude-3", "prompt": SAFE}),
        ("/openai/deployments/my-deployment/chat/completions", chat(SAFE, model="gpt-4o")),
    ],
    ids=["chat", "messages", "responses", "completions", "azure"],
)
async def test_request_reaches_the_upstream_of_the_model_that_was_judged(
    build: Builder, path: str, body: dict[str, Any]
) -> None:
    default: list[str] = []
    claude: list[str] = []

    async with (
        raw_api(remembering(default, _OK)) as one,
        raw_api(remembering(claude, _OK)) as other,
        _front(build(), {"url": one, **_others(other)}) as client,
    ):
        answer = await client.post(path, json=body)
        await client.post(CHAT, json=chat(SAFE, model="gpt-4o"))

    assert answer.status_code == 200
    assert (len(default), len(claude)) == (1, 1)


async def test_model_that_nobody_serves_is_a_404_in_the_apis_own_form(build: Builder) -> None:
    asked: list[str] = []

    async with raw_api(remembering(asked, _OK)) as url, _front(build(), _others(url)) as client:
        openai = await client.post(CHAT, json=chat(SAFE, model="gpt-4o"))
        message = {"model": "gpt-4o", "max_tokens": 5, "messages": [{"role": "user", "content": SAFE}]}
        anthropic = await client.post("/v1/messages", json=message)

    assert (openai.status_code, openai.json()["error"]["code"]) == (404, "unknown_model")
    assert (anthropic.status_code, anthropic.json()["type"]) == (404, "error")
    assert asked == []


async def test_key_of_a_tenant_reaches_the_llm_api_that_it_is_for_and_no_other(
    build: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SHOP", "OPENAI", "CLAUDE", "OTHER"):
        monkeypatch.setenv(name, f"secret-of-{name.lower()}-1")
    default, claude, keyless, paid = [list[str]() for _ in range(4)]
    shop = {"keys": ["env:SHOP"], "upstream_keys": {"default": "env:OPENAI", "claude": "env:CLAUDE"}}

    async with (
        raw_api(remembering(default, _OK)) as one,
        raw_api(remembering(claude, _OK)) as two,
        raw_api(remembering(keyless, _OK)) as three,
        raw_api(remembering(paid, _OK)) as four,
    ):
        others = {
            "claude": {"url": two, "models": ["claude-*"], "key_env": "OTHER"},
            "keyless": {"url": three, "models": ["local-*"]},
            "paid": {"url": four, "models": ["paid-*"], "key_env": "OTHER"},
        }
        written = {"upstream": {"url": one, "others": others}, "tenants": {"shop": shop}}
        async with _served(build(), Settings.model_validate(written)) as client:
            for model in ("gpt-4o", "claude-3", "local-1", "paid-1"):
                shown = {"authorization": "Bearer secret-of-shop-1", "cookie": "secret=1"}
                answer = await client.post(CHAT, json=chat(SAFE, model=model), headers=shown)
                assert answer.status_code == 200

    sent = [
        [line for line in "".join(heads).splitlines() if "secret" in line] for heads in (default, claude, keyless, paid)
    ]
    assert sent == [
        ["authorization: Bearer secret-of-openai-1"],
        ["authorization: Bearer secret-of-claude-1"],
        [],
        ["authorization: Bearer secret-of-other-1"],
    ]


async def test_unsafe_prompt_reaches_no_upstream(build: Builder) -> None:
    asked: list[str] = []

    async with raw_api(remembering(asked, _OK)) as url, _front(build(), _others(url)) as client:
        answer = await client.post(CHAT, json=chat(UNSAFE, model="claude-3"))

    assert (answer.status_code, asked) == (400, [])


@pytest.mark.parametrize("shape", ["openai", "anthropic"])
async def test_stream_of_another_provider_comes_through_guard_in_openais_form(build: Builder, shape: str) -> None:
    provider = Provider(shape)

    async with raw_api(provider) as url, _front(build(), _litellm(shape, url)) as client:
        answer = await client.post(CHAT, json=chat(SAFE, model="mine", stream=True), headers=_KEY)

    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.headers["x-guard-verdict"] == "safe"
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
    assert "".join(event["choices"][0]["delta"].get("content") or "" for event in events) == "Hello"
    assert answer.text.endswith("data: [DONE]\n\n")


async def test_picture_behind_a_url_reaches_the_provider_as_the_bytes_that_were_judged(build: Builder) -> None:
    provider = Provider("anthropic")
    picture = solid((200, 30, 30))
    url = "https://pictures.example/cat.png"
    content = [{"type": "text", "text": SAFE}, {"type": "image_url", "image_url": {"url": url}}]
    body = {"model": "mine", "messages": [{"role": "user", "content": content}]}

    async with (
        raw_api(provider) as base,
        _front(build(pictures={url: picture}), _litellm("anthropic", base)) as client,
    ):
        answer = await client.post(CHAT, json=body, headers=_KEY)

    assert answer.status_code == 200
    sent = provider.bodies[0]["messages"][0]["content"]
    assert [part["type"] for part in sent] == ["text", "image"]
    assert "pictures.example" not in json.dumps(provider.bodies)


async def test_request_without_a_key_for_the_provider_is_a_401(build: Builder) -> None:
    provider = Provider("openai")

    async with raw_api(provider) as url, _front(build(), _litellm("openai", url)) as client:
        answer = await client.post(CHAT, json=chat(SAFE, model="mine"))

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")
    assert provider.heads == []


def _litellm(shape: str, url: str) -> dict[str, Any]:
    return {"litellm": {"mine": f"{shape}/provider-model"}, "url": f"{url}/v1" if shape == "openai" else url}

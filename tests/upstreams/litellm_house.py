"""Guard's litellm upstream with a provider behind it, and requests to it."""

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from guard.ports import Upstream, UpstreamRequest, UpstreamResponse
from guard.upstream_settings import UpstreamSettings
from guard.upstreams.opening import open_upstreams
from tests.upstreams.providers import Provider
from tests.upstreams.raw_api import raw_api

SHAPES = pytest.mark.parametrize("shape", ["openai", "anthropic"])
ENVIRONMENT = {"PROVIDER_KEY": "sk-operator"}
PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
FIND = {"type": "function", "function": {"name": "find", "parameters": {"type": "object", "properties": {}}}}


@contextlib.asynccontextmanager
async def behind(provider: Provider, **settings: Any) -> AsyncIterator[Upstream]:
    """Serve a provider and yield an upstream with the model "mine" behind it."""
    async with raw_api(provider) as url:
        base = f"{url}/v1" if provider.shape == "openai" else url
        model = {"mine": f"{provider.shape}/provider-model", "star-*": f"{provider.shape}/*"}
        written = {"litellm": model, "url": base, "key_env": "PROVIDER_KEY", **settings}
        upstream = open_upstreams(UpstreamSettings.model_validate(written), ENVIRONMENT)
        try:
            yield upstream
        finally:
            await upstream.close()


def ask(model: str = "mine", *, headers: dict[str, str] | None = None, **more: Any) -> UpstreamRequest:
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}], **more}
    shown = {"authorization": "Bearer sk-caller"} if headers is None else headers
    return UpstreamRequest("POST", "/v1/chat/completions", "", shown, json.dumps(body).encode(), model)


async def read(response: UpstreamResponse) -> bytes:
    try:
        return b"".join([chunk async for chunk in response.chunks()])
    finally:
        await response.close()


def events_of(body: bytes) -> list[Any]:
    *events, done, end = body.split(b"\n\n")
    assert (done, end) == (b"data: [DONE]", b"")
    return [json.loads(event.removeprefix(b"data: ")) for event in events]

"""Other providers, through litellm itself: stand-ins of OpenAI's and Anthropic's APIs behind it."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from guard.errors import (
    RequestInvalid,
    Unauthorized,
    UnknownModel,
)
from guard.ports import UpstreamRequest
from tests.upstreams.litellm_house import FIND, PICTURE, SHAPES, ask, behind, events_of, read
from tests.upstreams.providers import Provider

# litellm's own: it is not Guard's to mend.
pytestmark = pytest.mark.filterwarnings("ignore")


@SHAPES
async def test_answer_of_another_provider_has_the_shape_of_openais(shape: str) -> None:
    provider = Provider(shape)

    async with behind(provider) as upstream:
        response = await upstream.send(ask(temperature=0.5, max_tokens=7, metadata={"a": "b"}, store=True))
        answer = json.loads(await read(response))

    assert response.status == 200
    assert dict(response.headers)["content-type"] == "application/json"
    assert (answer["object"], answer["model"]) == ("chat.completion", "mine")
    assert answer["choices"][0]["message"]["content"] == "Hello"
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["usage"]["total_tokens"] == 8
    (asked,) = provider.bodies
    assert (asked["model"], asked["temperature"], asked["max_tokens"]) == ("provider-model", 0.5, 7)
    assert not asked.keys() & {"metadata", "store"}


@SHAPES
async def test_stream_of_another_provider_has_the_events_of_openais(shape: str) -> None:
    async with behind(Provider(shape)) as upstream:
        response = await upstream.send(ask(stream=True, stream_options={"include_usage": True}))
        events = events_of(await read(response))

    assert dict(response.headers)["content-type"] == "text/event-stream"
    assert {(event["object"], event["model"]) for event in events} == {("chat.completion.chunk", "mine")}
    *texts, last = events
    choices = [choice for event in texts for choice in event["choices"]]
    assert "".join(choice["delta"].get("content") or "" for choice in choices) == "Hello"
    assert [choice["finish_reason"] for choice in choices if choice.get("finish_reason")] == ["stop"]
    assert (last["choices"], last["usage"]["total_tokens"]) == ([], 8)


@SHAPES
async def test_picture_reaches_the_provider_byte_for_byte(shape: str) -> None:
    provider = Provider(shape)
    parts = [
        {"type": "text", "text": "what is this"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}", "detail": "low"}},
    ]

    async with behind(provider) as upstream:
        await read(await upstream.send(ask(messages=[{"role": "user", "content": parts}])))

    sent = provider.bodies[0]["messages"][0]["content"][1]
    expected = {"type": "base64", "media_type": "image/png", "data": PICTURE}
    assert sent["source"] == expected if shape == "anthropic" else sent == parts[1]


@SHAPES
async def test_tools_are_offered_and_their_calls_come_back(shape: str) -> None:
    provider = Provider(shape)

    async with behind(provider) as upstream:
        answer = json.loads(await read(await upstream.send(ask(tools=[FIND], tool_choice="auto"))))

    (choice,) = answer["choices"]
    (call,) = choice["message"]["tool_calls"]
    assert (choice["finish_reason"], choice["message"]["content"]) == ("tool_calls", None)
    assert call["function"]["name"] == "find"
    assert json.loads(call["function"]["arguments"]) == {"place": "Oslo"}
    offered = provider.bodies[0]["tools"][0]
    assert (offered["name"] if shape == "anthropic" else offered["function"]["name"]) == "find"


@SHAPES
async def test_error_of_the_provider_passes_with_status_message_and_patience(shape: str) -> None:
    provider = Provider(shape, status=429)

    async with behind(provider) as upstream:
        response = await upstream.send(ask())
        error = json.loads(await read(response))["error"]

    assert (response.status, dict(response.headers)["retry-after"]) == (429, "7")
    assert error == {"message": "slow down", "type": "rate_limit_error", "param": None, "code": "rate_limit"}
    assert len(provider.bodies) == 1


@SHAPES
@pytest.mark.parametrize("is_stream", [False, True])
async def test_provider_that_refuses_the_operators_key_shows_callers_nothing_of_it(shape: str, is_stream: bool) -> None:
    async with behind(Provider(shape, status=401)) as upstream:
        response = await upstream.send(ask(stream=is_stream))
        error = json.loads(await read(response))["error"]

    assert (response.status, error["type"]) == (401, "authentication_error")
    assert error["message"] == "the provider behind this model does not accept the key"


@SHAPES
async def test_error_of_the_providers_own_is_not_asked_for_twice(shape: str) -> None:
    provider = Provider(shape, status=500)

    async with behind(provider) as upstream:
        response = await upstream.send(ask())
        await response.close()

    assert (response.status, len(provider.bodies)) == (500, 1)


@SHAPES
async def test_key_of_the_operator_is_sent_and_the_callers_is_not(shape: str) -> None:
    provider = Provider(shape)

    async with behind(provider) as upstream:
        await read(await upstream.send(ask()))

    assert "sk-operator" in provider.heads[0]
    assert "sk-caller" not in provider.heads[0]


@SHAPES
async def test_key_of_a_tenant_is_sent_where_it_is_for_these_providers(shape: str) -> None:
    provider = Provider(shape)

    async with behind(provider) as upstream:
        await read(await upstream.send(replace(ask(), keys={"default": "sk-tenant"})))
        await read(await upstream.send(replace(ask(), keys={"another": "sk-tenant"})))
    async with behind(provider, key_env=None) as upstream:
        with pytest.raises(Unauthorized):
            await upstream.send(replace(ask(), keys={"another": "sk-tenant"}))

    assert [re.findall("sk-(tenant|operator|caller)", head) for head in provider.heads] == [["tenant"], ["operator"]]


@SHAPES
async def test_key_of_the_caller_is_sent_where_there_is_no_other(shape: str) -> None:
    provider = Provider(shape)

    async with behind(provider, key_env=None) as upstream:
        await read(await upstream.send(ask()))

    assert "sk-caller" in provider.heads[0]


async def test_request_without_any_key_never_uses_what_the_environment_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-somebody-else")
    provider = Provider("openai")

    async with behind(provider, key_env=None) as upstream:
        with pytest.raises(Unauthorized):
            await upstream.send(ask(headers={}))

    assert provider.heads == []


async def test_environments_credentials_are_used_where_the_operator_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
    provider = Provider("openai")

    async with behind(provider, key_env=None, litellm_environment=True) as upstream:
        await read(await upstream.send(ask()))

    assert "sk-of-the-environment" in provider.heads[0]


async def test_star_in_the_map_stands_for_the_callers_rest() -> None:
    provider = Provider("openai")

    async with behind(provider) as upstream:
        answer = json.loads(await read(await upstream.send(ask("star-gpt-9"))))

    assert provider.bodies[0]["model"] == "gpt-9"
    assert answer["model"] == "star-gpt-9"


@pytest.mark.parametrize("model", ["others", "star-../../admin", "star-a b", "star-a?b=c", "star-a#b", "star-%2e%2e"])
async def test_model_that_is_not_in_the_map_or_would_bend_an_address_is_unknown(model: str) -> None:
    provider = Provider("openai")

    async with behind(provider) as upstream:
        with pytest.raises(UnknownModel):
            await upstream.send(ask(model))

    assert provider.bodies == []


@pytest.mark.parametrize(
    "more",
    [
        {"api_base": "http://127.0.0.1:9"},
        {"base_url": "http://127.0.0.1:9"},
        {"api_key": "x"},
        {"custom_llm_provider": "bedrock"},
        {"mock_response": "pwned"},
        {"fallbacks": [{"model": "x"}]},
        {"model_list": []},
        {"extra_headers": {"x": "y"}},
        {"extra_body": {"x": "y"}},
        {"callbacks": ["x"]},
        {"num_retries": 9},
        {"timeout": 0},
        {"web_search_options": {}},
        {"tools": [{"type": "mcp", "server_url": "http://127.0.0.1:9"}]},
        {"tools": [{"type": "web_search_preview"}]},
        {"messages": [{"role": "user", "content": "x", "thinking_blocks": []}]},
        {
            "messages": [
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://127.0.0.1:9/x"}}]}
            ]
        },
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "http://127.0.0.1:9/x"}]}]},
        {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "gs://bucket/x"}}]}]},
        {"messages": [{"role": "user", "content": [{"type": "video_url", "video_url": {"url": "data:x"}}]}]},
        {"messages": ["x"]},
    ],
    ids=lambda more: json.dumps(more)[:60],
)
async def test_what_is_not_a_callers_to_say_is_refused_and_nothing_is_sent(more: dict[str, Any]) -> None:
    provider = Provider("openai")

    async with behind(provider) as upstream:
        with pytest.raises(RequestInvalid) as error:
            await upstream.send(ask(**more))

    assert provider.bodies == []
    assert "127.0.0.1" not in str(error.value)


async def test_other_apis_than_chat_are_not_translated() -> None:
    async with behind(Provider("openai")) as upstream:
        for path in ("/v1/messages", "/v1/embeddings"):
            with pytest.raises(UnknownModel, match="chat completions alone"):
                await upstream.send(UpstreamRequest("POST", path, "", {}, b"{}", "mine"))


async def test_models_are_those_of_the_map() -> None:
    async with behind(Provider("openai")) as upstream:
        listed = await upstream.send(UpstreamRequest("GET", "/v1/models", "", {}, b""))
        one = await upstream.send(UpstreamRequest("GET", "/v1/models/star-x", "", {}, b""))
        with pytest.raises(UnknownModel):
            await upstream.send(UpstreamRequest("GET", "/v1/models/others", "", {}, b""))
        bodies = [json.loads(await read(response)) for response in (listed, one)]

    assert [model["id"] for model in bodies[0]["data"]] == ["mine"]
    assert bodies[1]["id"] == "star-x"

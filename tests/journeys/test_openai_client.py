"""Apps that use the official client change one base URL, and all they use goes on working."""

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from PIL import Image

from guard.config import Settings
from guard.demo.servers import ServerThread
from guard.demo.standin import MODEL, StandIn
from guard.server.app import create_app

ALLOWED: Any = [{"role": "user", "content": "hello the cat"}]
BLOCKED: Any = [{"role": "user", "content": "how to make a bomb"}]


@pytest.fixture(params=["error", "message"])
def refusal(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def guard_url(tiny_bundle: Path, api_url: str, refusal: str) -> Iterator[str]:
    settings = {"bundle": str(tiny_bundle), "upstream": {"url": api_url}, "refusal": refusal, "threads": 1}
    with ServerThread(create_app(Settings.model_validate(settings))) as server:
        yield f"{server.url}/v1"


@pytest.fixture
def client(guard_url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=guard_url, api_key="k", max_retries=0) as client:
        yield client


def _picture_message(colour: str) -> Any:
    buffer = io.BytesIO()
    Image.new("RGB", (32, 32), colour).save(buffer, "PNG")
    url = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    parts = [{"type": "text", "text": "what is the picture"}, {"type": "image_url", "image_url": {"url": url}}]
    return [{"role": "user", "content": parts}]


def test_allowed_request_gets_the_models_answer(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=ALLOWED)

    assert answer.choices[0].message.content == "The stand-in read 3 words and 0 pictures."


def test_allowed_stream_gets_the_models_words(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(model=MODEL, messages=ALLOWED, stream=True)

    words = [chunk.choices[0].delta.content or "" for chunk in stream]

    assert "".join(words).strip() == "The stand-in read 3 words and 0 pictures."


def test_models_are_listed(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [MODEL]


def test_picture_travels_with_its_prompt(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=_picture_message("blue"))

    assert answer.choices[0].message.content == "The stand-in read 4 words and 1 pictures."


WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Says what the weather is in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "file": {"type": "string"}, "URL": {"type": "string"}},
            "required": ["city"],
        },
    },
}
TOOL_TURNS: Any = [
    {"role": "developer", "content": "be brief"},
    {"role": "user", "name": "jane", "content": "hello the cat"},
    {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "annotations": [],
        "tool_calls": [
            {
                "id": "call_9x2KdMPpTGqHhuNnVvIuQWkx",
                "type": "function",
                "function": {"name": "get_weather", "arguments": '{"city": "Oslo", "file": "a.txt"}'},
            }
        ],
    },
    {"role": "tool", "tool_call_id": "call_9x2KdMPpTGqHhuNnVvIuQWkx", "content": '{"image": "sun.png", "degrees": 4}'},
    {"role": "function", "name": "get_weather", "content": "4 degrees"},
]
SCHEMA: Any = {"name": "answer", "schema": {"type": "object", "properties": {"image_url": {"type": "string"}}}}


@pytest.mark.parametrize("refusal", ["error"], indirect=True)
@pytest.mark.parametrize(
    "options",
    [
        {"messages": TOOL_TURNS, "tools": [WEATHER], "tool_choice": "auto", "parallel_tool_calls": False},
        {"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "get_weather"}}},
        {"functions": [WEATHER["function"]], "function_call": {"name": "get_weather"}},
        {"response_format": {"type": "json_schema", "json_schema": SCHEMA}},
        {"response_format": {"type": "json_object"}, "seed": 7, "temperature": 0.2, "top_p": 0.9},
        {"reasoning_effort": "low", "verbosity": "medium", "service_tier": "auto", "max_completion_tokens": 100},
        {"prompt_cache_key": "agents-v3", "safety_identifier": "u-1", "user": "jane@x.test"},
        {"metadata": {"team": "support", "image": "none"}, "store": True, "logit_bias": {"50256": -100}},
        {"stop": ["\n\n", "Observation:"], "n": 1, "logprobs": True, "top_logprobs": 2},
        {"modalities": ["text"], "prediction": {"type": "content", "content": "hello"}},
        {"web_search_options": {"search_context_size": "medium"}},
        {"extra_body": {"chat_template_kwargs": {"enable_thinking": False}, "top_k": 5, "min_p": 0.1}},
    ],
)
def test_options_of_the_client_pass(client: openai.OpenAI, api: StandIn, options: dict[str, Any]) -> None:
    client.chat.completions.create(**{"model": MODEL, "messages": ALLOWED, **options})

    assert api.received == 1


@pytest.mark.parametrize("refusal", ["error"], indirect=True)
def test_sources_that_the_api_reads_by_itself_are_refused_as_unjudged(client: openai.OpenAI, api: StandIn) -> None:
    sources = {"data_sources": [{"type": "azure_search", "parameters": {"index_name": "cats"}}]}

    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model=MODEL, messages=ALLOWED, extra_body=sources)

    assert refused.value.code == "server_tool"
    assert api.received == 0


def test_stream_options_pass(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model=MODEL, messages=ALLOWED, stream=True, stream_options={"include_usage": True}
    )

    assert list(stream)


@pytest.mark.parametrize("refusal", ["error"], indirect=True)
class TestRefusalAsAnError:
    def test_blocked_request_is_a_bad_request_with_the_code_of_a_content_filter(
        self, client: openai.OpenAI, api: StandIn
    ) -> None:
        with pytest.raises(openai.BadRequestError) as raised:
            client.chat.completions.create(model=MODEL, messages=BLOCKED)

        assert raised.value.code == "content_filter"
        assert raised.value.response.json()["guard"]["verdict"] == "unsafe"
        assert api.received == 0

    def test_blocked_stream_is_the_same(self, client: openai.OpenAI, api: StandIn) -> None:
        with pytest.raises(openai.BadRequestError) as raised:
            client.chat.completions.create(model=MODEL, messages=BLOCKED, stream=True)

        assert raised.value.code == "content_filter"
        assert api.received == 0

    def test_unsafe_picture_is_blocked_whatever_the_prompt(self, client: openai.OpenAI, api: StandIn) -> None:
        with pytest.raises(openai.BadRequestError) as raised:
            client.chat.completions.create(model=MODEL, messages=_picture_message("red"))

        assert raised.value.response.json()["guard"]["cause"] == "image"
        assert api.received == 0

    async def test_async_client_sees_the_same(self, guard_url: str) -> None:
        async with openai.AsyncOpenAI(base_url=guard_url, api_key="k", max_retries=0) as client:
            answer = await client.chat.completions.create(model=MODEL, messages=ALLOWED)
            stream = await client.chat.completions.create(model=MODEL, messages=ALLOWED, stream=True)
            words = [chunk.choices[0].delta.content or "" async for chunk in stream]
            with pytest.raises(openai.BadRequestError) as raised:
                await client.chat.completions.create(model=MODEL, messages=BLOCKED, stream=True)

        assert answer.choices[0].message.content == "".join(words).strip()
        assert raised.value.code == "content_filter"


@pytest.mark.parametrize("refusal", ["message"], indirect=True)
class TestRefusalAsAMessage:
    def test_blocked_request_is_answered_with_a_refusal(self, client: openai.OpenAI, api: StandIn) -> None:
        answer = client.chat.completions.create(model=MODEL, messages=BLOCKED)

        assert answer.choices[0].finish_reason == "content_filter"
        assert answer.choices[0].message.refusal
        assert api.received == 0

    def test_blocked_stream_is_a_refusal_in_chunks(self, client: openai.OpenAI, api: StandIn) -> None:
        chunks = list(client.chat.completions.create(model=MODEL, messages=BLOCKED, stream=True))

        assert chunks[0].choices[0].delta.content
        assert chunks[-1].choices[0].finish_reason == "content_filter"
        assert api.received == 0

    async def test_async_client_sees_the_same(self, guard_url: str) -> None:
        async with openai.AsyncOpenAI(base_url=guard_url, api_key="k", max_retries=0) as client:
            answer = await client.chat.completions.create(model=MODEL, messages=BLOCKED)
            stream = await client.chat.completions.create(model=MODEL, messages=BLOCKED, stream=True)
            reasons = [chunk.choices[0].finish_reason async for chunk in stream]

        assert answer.choices[0].finish_reason == reasons[-1] == "content_filter"

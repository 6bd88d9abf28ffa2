"""OpenAI's client on chat completions: sync and async, streaming and not, allowed and blocked."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from tests.clients.chat_calls import BLOCKED, CALLS, UNSEEN, USER, user
from tests.clients.house import ERROR_CODE, SAFE, UNSAFE, UNSAFE_MODELS, UNSAFE_WORD, House


def _client(url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url}/v1", api_key="sk-1", organization="org-1", max_retries=0)


def _async_client(url: str) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="sk-1", organization="org-1", max_retries=0)


def _create(client: openai.OpenAI, call: dict[str, Any], *, stream: bool) -> Any:
    answer = client.chat.completions.create(**{"model": "plain", **call, "stream": stream})
    return [chunk.model_dump() for chunk in answer] if stream else answer.model_dump()


async def _acreate(client: openai.AsyncOpenAI, call: dict[str, Any], *, stream: bool) -> Any:
    answer: Any = await client.chat.completions.create(**{"model": "plain", **call, "stream": stream})
    return [chunk.model_dump() async for chunk in answer] if stream else answer.model_dump()


@pytest.fixture
def client(house: House) -> Iterator[openai.OpenAI]:
    with _client(house.error) as client:
        yield client


@pytest.mark.parametrize("stream", [False, True], ids=["at once", "streamed"])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_call_and_answer_are_what_they_are_without_guard(house: House, call: dict[str, Any], stream: bool) -> None:
    answers = []
    for url in (house.api, *house.transparent):
        with _client(url) as client:
            answers.append(_create(client, call, stream=stream))

    direct, *through = answers
    assert through == [direct] * len(through)
    sent, *arrived = house.seen()
    assert arrived == [sent] * len(through)


@pytest.mark.parametrize("stream", [False, True], ids=["at once", "streamed"])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_async_call_and_answer_are_what_they_are_without_guard(
    house: House, call: dict[str, Any], stream: bool
) -> None:
    answers = []
    for url in (house.api, *house.transparent):
        async with _async_client(url) as client:
            answers.append(await _acreate(client, call, stream=stream))

    direct, *through = answers
    assert through == [direct] * len(through)
    sent, *arrived = house.seen()
    assert arrived == [sent] * len(through)


@pytest.mark.parametrize("stream", [False, True], ids=["at once", "streamed"])
@pytest.mark.parametrize("call", BLOCKED.values(), ids=BLOCKED)
class TestRefusals:
    def test_refusal_is_an_error_of_a_content_filter(self, house: House, call: dict[str, Any], stream: bool) -> None:
        with _client(house.error) as client, pytest.raises(openai.BadRequestError) as raised:
            _create(client, call, stream=stream)

        self._check_error(raised.value)
        assert house.seen() == []

    async def test_async_refusal_is_an_error_of_a_content_filter(
        self, house: House, call: dict[str, Any], stream: bool
    ) -> None:
        async with _async_client(house.error) as client:
            with pytest.raises(openai.BadRequestError) as raised:
                await _acreate(client, call, stream=stream)

        self._check_error(raised.value)
        assert house.seen() == []

    def test_refusal_is_a_message(self, house: House, call: dict[str, Any], stream: bool) -> None:
        with _client(house.message) as client:
            self._check_message(_create(client, call, stream=stream))

        assert house.seen() == []

    async def test_async_refusal_is_a_message(self, house: House, call: dict[str, Any], stream: bool) -> None:
        async with _async_client(house.message) as client:
            self._check_message(await _acreate(client, call, stream=stream))

        assert house.seen() == []

    @staticmethod
    def _check_error(error: openai.BadRequestError) -> None:
        assert error.code == ERROR_CODE
        assert error.response.json()["guard"]["verdict"] == "unsafe"
        assert error.response.headers["x-guard-verdict"] == "unsafe"
        assert error.response.headers["x-guard-action"] == "block"

    @staticmethod
    def _check_message(answer: Any) -> None:
        if isinstance(answer, list):
            assert answer[0]["choices"][0]["delta"]["refusal"]
            assert answer[-1]["choices"][0]["finish_reason"] == ERROR_CODE
        else:
            assert answer["choices"][0]["message"]["refusal"]
            assert answer["choices"][0]["finish_reason"] == ERROR_CODE


@pytest.mark.parametrize(("code", "part"), UNSEEN.values(), ids=UNSEEN)
def test_part_that_guard_cannot_see_is_refused_with_a_code_of_its_own(
    house: House, client: openai.OpenAI, code: str, part: dict[str, Any]
) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        client.chat.completions.create(model="plain", messages=user(part))

    assert raised.value.code == code
    assert raised.value.response.headers["x-guard-verdict"] == "unjudged"
    assert house.seen() == []


@pytest.mark.parametrize(("code", "part"), UNSEEN.values(), ids=UNSEEN)
def test_part_that_guard_cannot_see_passes_where_the_policy_says_so_and_is_counted(
    house: House, code: str, part: dict[str, Any]
) -> None:
    sample = f'guard_unjudged_parts_total{{code="{code}"}}'
    before = house.metric(house.lenient, sample)

    with _client(house.lenient) as client:
        answer = client.chat.completions.with_raw_response.create(model="plain", messages=user(part))

    assert answer.headers["x-guard-verdict"] == "unjudged"
    assert house.seen()[0]["body"]["messages"] == user(part)
    assert house.metric(house.lenient, sample) == before + 1


@pytest.mark.parametrize("stream", [False, True], ids=["at once", "streamed"])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429, 500, 503])
def test_error_of_the_api_is_the_clients_own_error(house: House, status: int, stream: bool) -> None:
    errors = []
    for url in (house.api, house.error):
        with _client(url) as client, pytest.raises(openai.APIStatusError) as raised:
            _create(client, {"model": f"status-{status}", "messages": USER}, stream=stream)
        errors.append(raised.value)

    direct, through = errors
    assert type(direct) is type(through)
    assert (through.status_code, through.body, through.request_id) == (status, direct.body, "req_7")
    assert through.response.headers["x-ratelimit-remaining-requests"] == "0"


def test_stream_that_breaks_off_is_an_error_and_no_short_answer(house: House, client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(model="breaks", messages=USER, stream=True)
    chunks: list[Any] = []

    with pytest.raises(openai.APIError):
        chunks.extend(stream)

    assert chunks


class _Animal(BaseModel):
    animal: str
    legs: int


def test_parsed_answer_is_of_its_model(client: openai.OpenAI) -> None:
    answer = client.chat.completions.parse(model="plain", messages=USER, response_format=_Animal)

    assert answer.choices[0].message.parsed == _Animal(animal="cat", legs=4)


def test_helper_for_streams_ends_with_the_whole_answer(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(model="plain", messages=USER, response_format=_Animal) as stream:
        kinds = {event.type for event in stream}
        answer = stream.get_final_completion()

    assert {"chunk", "content.delta", "content.done"} <= kinds
    assert answer.choices[0].message.parsed == _Animal(animal="cat", legs=4)


def test_helper_for_streams_knows_a_refusal(house: House) -> None:
    with (
        _client(house.message) as client,
        client.chat.completions.stream(
            model="plain", messages=[{"role": "user", "content": UNSAFE}], response_format=_Animal
        ) as stream,
        pytest.raises(openai.ContentFilterFinishReasonError),
    ):
        stream.until_done()


def test_raw_answer_has_the_headers_of_the_verdict(client: openai.OpenAI) -> None:
    answer = client.chat.completions.with_raw_response.create(model="plain", messages=USER)

    assert (answer.headers["x-guard-verdict"], answer.headers["x-guard-action"]) == ("safe", "allow")
    assert answer.headers["x-guard-id"]
    assert answer.parse().choices[0].message.content


def test_models_are_listed_and_told(client: openai.OpenAI) -> None:
    assert "plain" in [model.id for model in client.models.list()]
    assert client.models.retrieve("plain").id == "plain"


@pytest.mark.parametrize("stream", [False, True], ids=["at once", "streamed"])
def test_azures_client_is_judged_like_its_twin(house: House, stream: bool) -> None:
    with openai.AzureOpenAI(
        azure_endpoint=house.error, api_key="k", api_version="2026-01-01", azure_deployment="plain", max_retries=0
    ) as client:
        assert _create(client, {"messages": USER}, stream=stream)
        (sent,) = house.seen()
        with pytest.raises(openai.BadRequestError) as raised:
            _create(client, BLOCKED["text"], stream=stream)

    assert (sent["path"], sent["query"]) == ("/openai/deployments/plain/chat/completions", "api-version=2026-01-01")
    assert sent["headers"]["api-key"] == "k"
    assert raised.value.code == ERROR_CODE
    assert house.seen() == []


def test_door_that_takes_prompts_unjudged_is_closed(house: House, client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as raised:
        client.images.generate(prompt=SAFE)

    assert raised.value.code == "unknown_route"
    assert house.seen() == []


@pytest.mark.parametrize("model", UNSAFE_MODELS)
class TestUnsafeAnswers:
    """The model says what nobody should read, and Guard judges answers."""

    def test_answer_is_refused_as_a_prompt_would_be(self, house: House, model: str) -> None:
        call = {"model": model, "messages": USER}
        with _client(house.answers) as client, pytest.raises(openai.BadRequestError) as raised:
            _create(client, call, stream=False)
        with _client(house.answers_message) as client:
            answer = _create(client, call, stream=False)

        assert raised.value.code == ERROR_CODE
        assert raised.value.response.json()["guard"]["direction"] == "output"
        assert answer["choices"][0]["finish_reason"] == ERROR_CODE
        assert UNSAFE_WORD not in str(answer) + raised.value.response.text

    def test_stream_ends_as_a_content_filter_ends_it(self, house: House, model: str) -> None:
        with _client(house.answers) as client:
            chunks = _create(client, {"model": model, "messages": USER}, stream=True)

        assert chunks[-1]["choices"][0]["finish_reason"] == ERROR_CODE
        assert UNSAFE_WORD not in self._shown(chunks)

    async def test_async_stream_ends_so_too(self, house: House, model: str) -> None:
        async with _async_client(house.answers_message) as client:
            chunks = await _acreate(client, {"model": model, "messages": USER, "n": 2}, stream=True)

        endings = {choice["index"]: choice["finish_reason"] for chunk in chunks for choice in chunk["choices"]}
        assert endings == {0: ERROR_CODE, 1: ERROR_CODE}
        assert UNSAFE_WORD not in self._shown(chunks)

    @staticmethod
    def _shown(chunks: list[Any]) -> str:
        deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"] if choice["index"] == 0]
        calls = [call["function"]["arguments"] for delta in deltas for call in delta.get("tool_calls") or ()]
        texts = [str(delta.get(key) or "") for key in ("content", "reasoning_content") for delta in deltas]
        return "".join([*texts, *calls])

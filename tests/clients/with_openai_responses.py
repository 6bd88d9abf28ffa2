"""OpenAI's client on responses: sync and async, streamed and not, allowed and blocked."""

from typing import Any

import httpx
import openai
import pytest

from tests.clients.house import ERROR_CODE, SAFE, UNSAFE, UNSAFE_MODELS, UNSAFE_WORD, House
from tests.clients.responses_calls import BLOCKED, CALLS, UNSEEN

STREAM = pytest.mark.parametrize("stream", [False, True], ids=["at once", "streamed"])


def _client(url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url}/v1", api_key="sk-1", max_retries=0)


def _async_client(url: str) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="sk-1", max_retries=0)


def _create(url: str, call: dict[str, Any], *, stream: bool) -> Any:
    with _client(url) as client:
        answer: Any = client.responses.create(**{"model": "plain", **call, "stream": stream})
        return [event.model_dump() for event in answer] if stream else answer.model_dump()


async def _acreate(url: str, call: dict[str, Any], *, stream: bool) -> Any:
    async with _async_client(url) as client:
        answer: Any = await client.responses.create(**{"model": "plain", **call, "stream": stream})
        return [event.model_dump() async for event in answer] if stream else answer.model_dump()


@STREAM
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_call_and_answer_are_what_they_are_without_guard(house: House, call: dict[str, Any], stream: bool) -> None:
    direct, *through = (_create(url, call, stream=stream) for url in (house.api, *house.transparent))

    assert through == [direct] * len(through)
    sent, *arrived = house.seen()
    assert arrived == [sent] * len(through)


@STREAM
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_async_call_and_answer_are_what_they_are_without_guard(
    house: House, call: dict[str, Any], stream: bool
) -> None:
    direct, *through = [await _acreate(url, call, stream=stream) for url in (house.api, *house.transparent)]

    assert through == [direct] * len(through)
    sent, *arrived = house.seen()
    assert arrived == [sent] * len(through)


@STREAM
@pytest.mark.parametrize("call", BLOCKED.values(), ids=BLOCKED)
class TestRefusals:
    def test_refusal_is_an_error_of_a_content_filter(self, house: House, call: dict[str, Any], stream: bool) -> None:
        with pytest.raises(openai.BadRequestError) as raised:
            _create(house.error, call, stream=stream)

        assert raised.value.code == ERROR_CODE
        assert raised.value.response.json()["guard"]["verdict"] == "unsafe"
        assert house.seen() == []

    async def test_async_refusal_is_an_error_of_a_content_filter(
        self, house: House, call: dict[str, Any], stream: bool
    ) -> None:
        with pytest.raises(openai.BadRequestError) as raised:
            await _acreate(house.error, call, stream=stream)

        assert raised.value.code == ERROR_CODE
        assert house.seen() == []

    def test_refusal_is_an_incomplete_response(self, house: House, call: dict[str, Any], stream: bool) -> None:
        self._check(_create(house.message, call, stream=stream), stream=stream)

        assert house.seen() == []

    async def test_async_refusal_is_an_incomplete_response(
        self, house: House, call: dict[str, Any], stream: bool
    ) -> None:
        self._check(await _acreate(house.message, call, stream=stream), stream=stream)

        assert house.seen() == []

    @staticmethod
    def _check(answer: Any, *, stream: bool) -> None:
        response = answer[-1]["response"] if stream else answer
        assert response["status"] == "incomplete"
        assert response["incomplete_details"]["reason"] == ERROR_CODE
        assert response["output"][0]["content"]


@pytest.mark.parametrize("call", UNSEEN.values(), ids=UNSEEN)
def test_what_guard_has_not_seen_is_refused_with_a_code_of_its_own(house: House, call: dict[str, Any]) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        _create(house.error, call, stream=False)

    assert raised.value.code not in (None, ERROR_CODE, "request_invalid", "unknown_part")
    assert raised.value.response.headers["x-guard-verdict"] == "unjudged"
    assert house.seen() == []


@pytest.mark.parametrize("call", UNSEEN.values(), ids=UNSEEN)
def test_what_guard_has_not_seen_passes_where_the_policy_says_so(house: House, call: dict[str, Any]) -> None:
    direct, through = (_create(url, call, stream=False) for url in (house.api, house.lenient))

    assert direct == through
    (sent, arrived) = house.seen()
    assert sent == arrived


@STREAM
@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
def test_error_of_the_api_is_the_clients_own_error(house: House, status: int, stream: bool) -> None:
    errors = []
    for url in (house.api, house.error):
        with pytest.raises(openai.APIStatusError) as raised:
            _create(url, {"model": f"status-{status}", "input": SAFE}, stream=stream)
        errors.append(raised.value)

    direct, through = errors
    assert type(direct) is type(through)
    assert (through.status_code, through.body, through.request_id) == (status, direct.body, "req_7")


def test_stream_that_breaks_off_never_ends_as_a_whole_one(house: House) -> None:
    events: list[Any] = []
    with _client(house.error) as client:
        stream: Any = client.responses.create(model="breaks", input=SAFE, stream=True)
        # openai 2 shows Guard's last event, the error, and then meets the end of the connection.
        with pytest.raises((openai.APIError, httpx.RemoteProtocolError)):
            events.extend(stream)

    assert events
    assert "response.completed" not in [event.type for event in events]


def test_helper_for_streams_ends_with_the_whole_answer(house: House) -> None:
    with _client(house.error) as client, client.responses.stream(model="plain", input=SAFE) as stream:
        stream.until_done()
        answer = stream.get_final_response()

    assert answer.output_text == "hello the cat is a picture"


def test_helper_for_streams_tells_a_refusal(house: House) -> None:
    with _client(house.message) as client, client.responses.stream(model="plain", input=UNSAFE) as stream:
        kinds = [event.type for event in stream]

    assert kinds[0] == "response.created"
    assert "response.refusal.done" in kinds
    assert kinds[-1] == "response.incomplete"


@STREAM
def test_azures_client_is_judged_like_its_twin(house: House, stream: bool) -> None:
    with openai.OpenAI(base_url=f"{house.error}/openai/v1/", api_key="k", max_retries=0) as client:
        answer: Any = client.responses.create(model="plain", input=SAFE, stream=stream)
        assert (list(answer) if stream else [answer]) != []
        with pytest.raises(openai.BadRequestError) as raised:
            client.responses.create(model="plain", input=UNSAFE, stream=stream)

    assert [request["path"] for request in house.seen()] == ["/openai/v1/responses"]
    assert raised.value.code == ERROR_CODE


@pytest.mark.parametrize("model", UNSAFE_MODELS)
class TestUnsafeAnswers:
    """The model says what nobody should read, and Guard judges answers."""

    def test_answer_is_refused_as_a_prompt_would_be(self, house: House, model: str) -> None:
        call = {"model": model, "input": SAFE}
        with pytest.raises(openai.BadRequestError) as raised:
            _create(house.answers, call, stream=False)
        answer = _create(house.answers_message, call, stream=False)

        assert raised.value.code == ERROR_CODE
        assert raised.value.response.json()["guard"]["direction"] == "output"
        assert answer["incomplete_details"]["reason"] == ERROR_CODE
        assert UNSAFE_WORD not in str(answer) + raised.value.response.text

    async def test_stream_ends_incomplete(self, house: House, model: str) -> None:
        call = {"model": model, "input": SAFE}

        for events in (
            _create(house.answers, call, stream=True),
            await _acreate(house.answers_message, call, stream=True),
        ):
            deltas = [event["delta"] for event in events if event["type"].endswith(".delta")]
            assert events[-1]["type"] == "response.incomplete"
            assert events[-1]["response"]["incomplete_details"]["reason"] == ERROR_CODE
            assert UNSAFE_WORD not in "".join(deltas)
            assert UNSAFE_WORD not in str(events)

"""Anthropic's client on messages: sync and async, streamed and not, allowed and blocked."""

from typing import Any

import anthropic
import pytest

from tests.clients.house import SAFE, UNSAFE, UNSAFE_MODELS, UNSAFE_WORD, House
from tests.clients.messages_calls import BLOCKED, CALLS, TOOL, UNSEEN

STREAM = pytest.mark.parametrize("stream", [False, True], ids=["at once", "streamed"])


def _client(url: str) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=url, api_key="sk-1", max_retries=0)


def _async_client(url: str) -> anthropic.AsyncAnthropic:
    return anthropic.AsyncAnthropic(base_url=url, api_key="sk-1", max_retries=0)


def _create(url: str, call: dict[str, Any], *, stream: bool) -> Any:
    with _client(url) as client:
        answer: Any = client.messages.create(**{"model": "plain", "max_tokens": 100, **call, "stream": stream})
        return [event.model_dump() for event in answer] if stream else answer.model_dump()


async def _acreate(url: str, call: dict[str, Any], *, stream: bool) -> Any:
    async with _async_client(url) as client:
        answer: Any = await client.messages.create(**{"model": "plain", "max_tokens": 100, **call, "stream": stream})
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
@pytest.mark.parametrize("setting", ["error", "message"])
@pytest.mark.parametrize("call", BLOCKED.values(), ids=BLOCKED)
class TestRefusals:
    def test_refusal_is_a_message_that_stopped_so(
        self, house: House, call: dict[str, Any], setting: str, stream: bool
    ) -> None:
        self._check(_create(getattr(house, setting), call, stream=stream), stream=stream)

        assert house.seen() == []

    async def test_async_refusal_is_a_message_that_stopped_so(
        self, house: House, call: dict[str, Any], setting: str, stream: bool
    ) -> None:
        self._check(await _acreate(getattr(house, setting), call, stream=stream), stream=stream)

        assert house.seen() == []

    @staticmethod
    def _check(answer: Any, *, stream: bool) -> None:
        if stream:
            assert [event["type"] for event in answer][-2:] == ["message_delta", "message_stop"]
        end = answer[-2]["delta"] if stream else answer
        assert end["stop_reason"] == "refusal"
        assert end["stop_details"]["type"] == "refusal"


@pytest.mark.parametrize("call", UNSEEN.values(), ids=UNSEEN)
def test_what_guard_has_not_seen_is_an_error_in_anthropics_shape(house: House, call: dict[str, Any]) -> None:
    with pytest.raises(anthropic.BadRequestError) as raised:
        _create(house.error, call, stream=False)

    body: Any = raised.value.body
    assert body["type"] == "error"
    assert body["error"]["type"] == "invalid_request_error"
    assert raised.value.response.headers["x-guard-verdict"] == "unjudged"
    assert house.seen() == []


@pytest.mark.parametrize("call", UNSEEN.values(), ids=UNSEEN)
def test_what_guard_has_not_seen_passes_where_the_policy_says_so(house: House, call: dict[str, Any]) -> None:
    direct, through = (_create(url, call, stream=False) for url in (house.api, house.lenient))

    assert direct == through
    (sent, arrived) = house.seen()
    assert sent == arrived


@STREAM
@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 429, 500, 529])
def test_error_of_the_api_is_the_clients_own_error(house: House, status: int, stream: bool) -> None:
    errors = []
    for url in (house.api, house.error):
        with pytest.raises(anthropic.APIStatusError) as raised:
            _create(url, {"model": f"status-{status}", "messages": CALLS["text"]["messages"]}, stream=stream)
        errors.append(raised.value)

    direct, through = errors
    assert type(direct) is type(through)
    assert (through.status_code, through.body) == (status, direct.body)


def test_stream_that_breaks_off_never_ends_as_a_whole_one(house: House) -> None:
    events: list[Any] = []
    with _client(house.error) as client:
        stream: Any = client.messages.create(
            model="breaks", max_tokens=9, messages=[{"role": "user", "content": SAFE}], stream=True
        )
        with pytest.raises(anthropic.APIError):
            events.extend(stream)

    assert events
    assert "message_stop" not in [event.type for event in events]


def test_helper_for_streams_ends_with_the_whole_answer(house: House) -> None:
    with (
        _client(house.error) as client,
        client.messages.stream(model="tools", max_tokens=9, messages=CALLS["text"]["messages"], tools=[TOOL]) as stream,
    ):
        answer = stream.get_final_message()

    assert answer.stop_reason == "tool_use"
    assert answer.content[0].input == {"city": "Oslo", "file": "a.txt"}


async def test_async_helper_for_streams_tells_a_refusal(house: House) -> None:
    async with (
        _async_client(house.error) as client,
        client.messages.stream(model="plain", max_tokens=9, messages=[{"role": "user", "content": UNSAFE}]) as stream,
    ):
        answer = await stream.get_final_message()

    assert answer.stop_reason == "refusal"


def test_tokens_are_counted_and_the_counter_is_no_way_around(house: House) -> None:
    with _client(house.error) as client:
        counted = client.messages.count_tokens(model="plain", messages=CALLS["pictures"]["messages"])
        with pytest.raises(anthropic.BadRequestError):
            client.messages.count_tokens(model="plain", messages=[{"role": "user", "content": UNSAFE}])

    assert counted.input_tokens == 7
    assert len(house.seen()) == 1


def test_unsafe_request_of_a_batch_refuses_the_batch(house: House) -> None:
    requests: Any = [
        {
            "custom_id": name,
            "params": {"model": "plain", "max_tokens": 9, "messages": [{"role": "user", "content": text}]},
        }
        for name, text in (("a", SAFE), ("b", UNSAFE))
    ]

    with _client(house.error) as client, pytest.raises(anthropic.BadRequestError):
        client.messages.batches.create(requests=requests)

    assert house.seen() == []


def test_models_are_listed(house: House) -> None:
    with _client(house.error) as client:
        assert "plain" in [model.id for model in client.models.list()]


def test_raw_answer_has_the_headers_of_the_verdict(house: House) -> None:
    with _client(house.error) as client:
        answer = client.messages.with_raw_response.create(
            model="plain", max_tokens=9, messages=[{"role": "user", "content": SAFE}]
        )

    assert (answer.headers["x-guard-verdict"], answer.headers["x-guard-action"]) == ("safe", "allow")
    assert answer.headers["request-id"] == "req_1"


@pytest.mark.parametrize("model", UNSAFE_MODELS)
class TestUnsafeAnswers:
    """The model says what nobody should read, and Guard judges answers."""

    async def test_answer_is_a_message_that_stopped_so(self, house: House, model: str) -> None:
        call = {"model": model, **CALLS["text"]}

        for answer in (
            _create(house.answers, call, stream=False),
            await _acreate(house.answers_message, call, stream=False),
        ):
            assert answer["stop_reason"] == "refusal"
            assert UNSAFE_WORD not in str(answer)

    async def test_stream_ends_so(self, house: House, model: str) -> None:
        call = {"model": model, **CALLS["text"]}

        for events in (
            _create(house.answers, call, stream=True),
            await _acreate(house.answers_message, call, stream=True),
        ):
            deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
            shown = "".join(str(value) for delta in deltas for key, value in delta.items() if key != "type")
            assert [event["type"] for event in events][-2:] == ["message_delta", "message_stop"]
            assert events[-2]["delta"]["stop_reason"] == "refusal"
            assert UNSAFE_WORD not in shown

"""LiteLLM's SDK with Guard as the base URL of a provider."""

from typing import Any

import litellm
import openai
import pytest

from tests.clients.chat_calls import BLOCKED, CALLS, UNSEEN, USER, user
from tests.clients.house import ERROR_CODE, SAFE, UNSAFE, House

# LiteLLM keeps some calls to itself: it makes an id and a time of its own where an API gives none.
_OWN = {"created", "id", "_hidden_params"}


def _options(url: str, call: dict[str, Any], *, stream: bool) -> dict[str, Any]:
    own = {"api_base": f"{url}/v1", "api_key": "sk-1", "num_retries": 0, "max_retries": 0, "stream": stream}
    return {**call, "model": f"openai/{call.get('model', 'plain')}", **own}


def _plain(document: Any) -> Any:
    return {key: value for key, value in document.model_dump().items() if key not in _OWN}


def _create(url: str, call: dict[str, Any], *, stream: bool) -> Any:
    answer: Any = litellm.completion(**_options(url, call, stream=stream))
    return [_plain(chunk) for chunk in answer] if stream else _plain(answer)


async def _acreate(url: str, call: dict[str, Any], *, stream: bool) -> Any:
    answer: Any = await litellm.acompletion(**_options(url, call, stream=stream))
    return [_plain(chunk) async for chunk in answer] if stream else _plain(answer)


STREAM = pytest.mark.parametrize("stream", [False, True], ids=["at once", "streamed"])


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
    def test_refusal_is_a_bad_request(self, house: House, call: dict[str, Any], stream: bool) -> None:
        with pytest.raises(litellm.BadRequestError) as raised:
            _create(house.error, call, stream=stream)

        assert "content filter" in str(raised.value)
        assert house.seen() == []

    async def test_async_refusal_is_a_bad_request(self, house: House, call: dict[str, Any], stream: bool) -> None:
        with pytest.raises(litellm.BadRequestError) as raised:
            await _acreate(house.error, call, stream=stream)

        assert "content filter" in str(raised.value)
        assert house.seen() == []

    def test_refusal_is_a_message(self, house: House, call: dict[str, Any], stream: bool) -> None:
        answer = _create(house.message, call, stream=stream)

        last = answer[-1] if stream else answer
        assert last["choices"][0]["finish_reason"] == ERROR_CODE
        assert house.seen() == []


@pytest.mark.parametrize(("code", "part"), UNSEEN.values(), ids=UNSEEN)
def test_part_that_guard_cannot_see_is_a_bad_request(house: House, code: str, part: dict[str, Any]) -> None:
    with pytest.raises(litellm.BadRequestError) as raised:
        _create(house.error, {"messages": user(part)}, stream=False)

    assert code in str(raised.value)
    assert house.seen() == []


@STREAM
@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 429, 500, 503])
def test_error_of_the_api_is_litellms_own_error(house: House, status: int, stream: bool) -> None:
    errors = []
    for url in (house.api, house.error):
        with pytest.raises(openai.APIStatusError) as raised:  # LiteLLM's errors are those of OpenAI's client too
            _create(url, {"model": f"status-{status}", "messages": USER}, stream=stream)
        errors.append(raised.value)

    direct, through = errors
    assert type(direct) is type(through)
    assert (direct.status_code, direct.message) == (through.status_code, through.message)


def test_stream_that_breaks_off_is_an_error_and_no_short_answer(house: House) -> None:
    with pytest.raises(litellm.exceptions.MidStreamFallbackError):
        _create(house.error, {"model": "breaks", "messages": USER}, stream=True)


@STREAM
def test_refusal_of_a_deployment_of_azures_is_an_error_of_a_content_policy(house: House, stream: bool) -> None:
    own = {"api_base": house.error, "api_key": "k", "api_version": "2026-01-01", "num_retries": 0, "max_retries": 0}

    with pytest.raises(litellm.ContentPolicyViolationError):
        litellm.completion(model="azure/plain", stream=stream, **own, **BLOCKED["text"])

    assert house.seen() == []


@STREAM
def test_anthropics_models_are_judged_on_their_own_api(house: House, stream: bool) -> None:
    own = {"model": "anthropic/plain", "api_key": "k", "num_retries": 0, "max_retries": 0, "stream": stream}

    answers = []
    for url in (house.api, house.error):
        answer: Any = litellm.completion(messages=USER, api_base=url, **own)
        answers.append([_plain(chunk) for chunk in answer] if stream else _plain(answer))
    refused: Any = litellm.completion(api_base=house.error, **own, **BLOCKED["text"])
    last = list(refused)[-1] if stream else refused

    assert answers[0] == answers[1]
    assert [request["path"] for request in house.seen()] == ["/v1/messages"] * 2
    assert last.choices[0].finish_reason == ERROR_CODE


@STREAM
async def test_responses_are_judged(house: House, stream: bool) -> None:
    own = {"model": "openai/plain", "api_base": f"{house.error}/v1", "api_key": "k", "stream": stream}

    answer: Any = await litellm.aresponses(input=SAFE, **own)
    events = [event async for event in answer] if stream else [answer]
    with pytest.raises(litellm.BadRequestError):
        await litellm.aresponses(input=UNSAFE, **own)

    assert events
    assert [request["path"] for request in house.seen()] == ["/v1/responses"]

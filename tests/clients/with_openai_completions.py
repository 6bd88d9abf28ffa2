"""OpenAI's client on the older completions."""

from typing import Any

import openai
import pytest

from tests.clients.house import ERROR_CODE, SAFE, UNSAFE, UNSAFE_WORD, House

STREAM = pytest.mark.parametrize("stream", [False, True], ids=["at once", "streamed"])
CALLS: dict[str, dict[str, Any]] = {
    "a prompt": {"prompt": SAFE},
    "several prompts": {"prompt": [SAFE, SAFE], "n": 2},
    "a suffix and settings": {"prompt": SAFE, "suffix": "the end", "max_tokens": 5, "echo": True, "logprobs": 2},
    "fields that no one knows": {"prompt": SAFE, "extra_body": {"top_k": 5}},
}
BLOCKED: dict[str, dict[str, Any]] = {
    "a prompt": {"prompt": UNSAFE},
    "the second prompt": {"prompt": [SAFE, UNSAFE]},
    "a suffix": {"prompt": SAFE, "suffix": UNSAFE},
}


def _create(url: str, call: dict[str, Any], *, stream: bool) -> Any:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="sk-1", max_retries=0) as client:
        answer: Any = client.completions.create(**{"model": "plain", **call, "stream": stream})
        return [chunk.model_dump() for chunk in answer] if stream else answer.model_dump()


async def _acreate(url: str, call: dict[str, Any], *, stream: bool) -> Any:
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="sk-1", max_retries=0) as client:
        answer: Any = await client.completions.create(**{"model": "plain", **call, "stream": stream})
        return [chunk.model_dump() async for chunk in answer] if stream else answer.model_dump()


@STREAM
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_call_and_answer_are_what_they_are_without_guard(
    house: House, call: dict[str, Any], stream: bool
) -> None:
    direct, *through = (_create(url, call, stream=stream) for url in (house.api, *house.transparent))
    through += [await _acreate(url, call, stream=stream) for url in house.transparent]

    assert through == [direct] * len(through)
    sent, *arrived = (request["body"] for request in house.seen())
    assert arrived == [sent] * len(through)


@STREAM
@pytest.mark.parametrize("call", BLOCKED.values(), ids=BLOCKED)
async def test_refusal_is_an_error_or_a_completion_that_a_filter_ended(
    house: House, call: dict[str, Any], stream: bool
) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        _create(house.error, call, stream=stream)
    with pytest.raises(openai.BadRequestError) as araised:
        await _acreate(house.error, call, stream=stream)
    answers = [_create(house.message, call, stream=stream), await _acreate(house.message, call, stream=stream)]

    assert raised.value.code == araised.value.code == ERROR_CODE
    for answer in answers:
        last = answer[-1] if stream else answer
        assert last["choices"][0]["finish_reason"] == ERROR_CODE
    assert house.seen() == []


def test_prompt_in_tokens_is_refused_since_guard_cannot_read_it(house: House) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        _create(house.error, {"prompt": [1, 2, 3]}, stream=False)

    assert raised.value.response.headers["x-guard-verdict"] == "unjudged"
    assert house.seen() == []


def test_prompt_in_tokens_passes_where_the_policy_says_so(house: House) -> None:
    answer = _create(house.lenient, {"prompt": [1, 2, 3]}, stream=False)

    assert answer["choices"]
    assert house.seen()[0]["body"]["prompt"] == [1, 2, 3]


@STREAM
async def test_unsafe_answer_is_refused_or_ended_where_answers_are_judged(house: House, stream: bool) -> None:
    answer = await _acreate(house.answers_message, {"model": "unsafe", "prompt": SAFE}, stream=stream)

    chunks = answer if stream else [answer]
    assert chunks[-1]["choices"][0]["finish_reason"] == ERROR_CODE
    assert UNSAFE_WORD not in "".join(chunk["choices"][0]["text"] for chunk in chunks)

"""LangChain's ChatOpenAI with Guard as its base URL."""

from typing import Any

import openai
import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, SecretStr

from tests.clients.house import BLUE, ERROR_CODE, RED, SAFE, UNSAFE, House, data_url


def get_weather(city: str, file: str) -> str:
    """Say what the weather is in a city."""
    return f"4 degrees in {city} ({file})"


class _Animal(BaseModel):
    animal: str
    legs: int


def _model(url: str, **more: Any) -> ChatOpenAI:
    return ChatOpenAI(
        **{"model": "plain", "base_url": f"{url}/v1", "api_key": SecretStr("sk-1"), "max_retries": 0, **more}
    )


def _picture(encoded: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": data_url(encoded)}}


TURNS: dict[str, list[BaseMessage]] = {
    "text": [HumanMessage(SAFE)],
    "a system text and turns": [SystemMessage("be brief"), HumanMessage(SAFE), AIMessage("hello"), HumanMessage(SAFE)],
    "tool results": [
        HumanMessage(SAFE),
        AIMessage("", tool_calls=[{"name": "get_weather", "args": {"city": "Oslo"}, "id": "call_1"}]),
        ToolMessage("4 degrees", tool_call_id="call_1"),
    ],
    "pictures": [HumanMessage([{"type": "text", "text": SAFE}, _picture(BLUE), _picture(BLUE)])],
    "a picture in LangChain's own words": [
        HumanMessage([{"type": "text", "text": SAFE}, {"type": "image", "base64": BLUE, "mime_type": "image/png"}])
    ],
}
BLOCKED: dict[str, list[BaseMessage]] = {
    "text": [HumanMessage(UNSAFE)],
    "an earlier turn": [HumanMessage(UNSAFE), AIMessage("hello"), HumanMessage(SAFE)],
    "a tool's result": [*TURNS["tool results"][:2], ToolMessage(UNSAFE, tool_call_id="call_1")],
    "a picture": [HumanMessage([{"type": "text", "text": SAFE}, _picture(RED)])],
}


def _invoke(model: ChatOpenAI, turns: list[BaseMessage], *, stream: bool) -> list[Any]:
    return [_told(answer) for answer in (model.stream(turns) if stream else [model.invoke(turns)])]


async def _ainvoke(model: ChatOpenAI, turns: list[BaseMessage], *, stream: bool) -> list[Any]:
    if stream:
        return [_told(answer) async for answer in model.astream(turns)]
    return [_told(await model.ainvoke(turns))]


def _told(answer: Any) -> Any:
    # A run's id is LangChain's own.
    return answer.model_dump(exclude={"id"})


STREAM = pytest.mark.parametrize("stream", [False, True], ids=["at once", "streamed"])


@STREAM
@pytest.mark.parametrize("turns", TURNS.values(), ids=TURNS)
def test_call_and_answer_are_what_they_are_without_guard(house: House, turns: list[BaseMessage], stream: bool) -> None:
    direct, through = (_invoke(_model(url), turns, stream=stream) for url in (house.api, house.error))

    assert direct == through
    (sent, arrived) = house.seen()
    assert sent == arrived


@STREAM
@pytest.mark.parametrize("turns", TURNS.values(), ids=TURNS)
async def test_async_call_and_answer_are_what_they_are_without_guard(
    house: House, turns: list[BaseMessage], stream: bool
) -> None:
    answers = [await _ainvoke(_model(url), turns, stream=stream) for url in (house.api, house.error)]

    assert answers[0] == answers[1]
    (sent, arrived) = house.seen()
    assert sent == arrived


@STREAM
@pytest.mark.parametrize("turns", BLOCKED.values(), ids=BLOCKED)
class TestRefusals:
    def test_refusal_is_an_error_of_a_content_filter(
        self, house: House, turns: list[BaseMessage], stream: bool
    ) -> None:
        with pytest.raises(openai.BadRequestError) as raised:
            _invoke(_model(house.error), turns, stream=stream)

        assert raised.value.code == ERROR_CODE
        assert house.seen() == []

    async def test_async_refusal_is_an_error_of_a_content_filter(
        self, house: House, turns: list[BaseMessage], stream: bool
    ) -> None:
        with pytest.raises(openai.BadRequestError) as raised:
            await _ainvoke(_model(house.error), turns, stream=stream)

        assert raised.value.code == ERROR_CODE
        assert house.seen() == []

    def test_refusal_is_a_message(self, house: House, turns: list[BaseMessage], stream: bool) -> None:
        answers = _invoke(_model(house.message), turns, stream=stream)

        reasons = [answer["response_metadata"].get("finish_reason") for answer in answers]
        assert ERROR_CODE in reasons
        assert "".join(answer["content"] for answer in answers)
        assert house.seen() == []


@STREAM
def test_bound_tool_is_called(house: House, stream: bool) -> None:
    model = _model(house.error, model="tools").bind_tools([tool(get_weather)])

    answer: Any = None
    for part in model.stream(SAFE) if stream else [model.invoke(SAFE)]:
        answer = part if answer is None else answer + part

    (call,) = answer.tool_calls
    assert (call["name"], call["args"]) == ("get_weather", {"city": "Oslo", "file": "a.txt"})
    assert house.seen()[0]["body"]["tools"][0]["function"]["name"] == "get_weather"


def test_structured_answer_is_of_its_model(house: House) -> None:
    model = _model(house.error).with_structured_output(_Animal, method="json_schema")

    assert model.invoke(SAFE) == _Animal(animal="cat", legs=4)


def test_batch_answers_each_and_refuses_the_unsafe_one(house: House) -> None:
    answers = _model(house.error).batch([SAFE, UNSAFE, SAFE], return_exceptions=True)

    assert [isinstance(answer, openai.BadRequestError) for answer in answers] == [False, True, False]
    assert len(house.seen()) == 2


@STREAM
async def test_responses_are_judged_too(house: House, stream: bool) -> None:
    answers = [
        await _ainvoke(_model(url, use_responses_api=True), TURNS["pictures"], stream=stream)
        for url in (house.api, house.error)
    ]
    with pytest.raises(openai.BadRequestError) as raised:
        await _ainvoke(_model(house.error, use_responses_api=True), BLOCKED["a picture"], stream=stream)

    assert answers[0] == answers[1]
    assert [request["path"] for request in house.seen()] == ["/v1/responses"] * 2
    assert raised.value.code == ERROR_CODE

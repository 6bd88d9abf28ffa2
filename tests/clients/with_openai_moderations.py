"""OpenAI's client on moderations, which Guard answers itself."""

from typing import Any

import openai
import pytest

from tests.clients.house import BLUE, RED, SAFE, UNSAFE, House, data_url


def _parts(text: str, encoded: str) -> Any:
    return [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": data_url(encoded)}}]


ITEMS: dict[str, tuple[Any, list[bool]]] = {
    "a text": (SAFE, [False]),
    "an unsafe text": (UNSAFE, [True]),
    "a list of texts, a result each": ([SAFE, UNSAFE, SAFE], [False, True, False]),
    "parts, which are one item": (_parts(SAFE, BLUE), [False]),
    "an unsafe picture beside a safe text": (_parts(SAFE, RED), [True]),
    "an unsafe text beside a safe picture": (_parts(UNSAFE, BLUE), [True]),
}


@pytest.mark.parametrize(("given", "flagged"), ITEMS.values(), ids=ITEMS)
async def test_results_say_what_is_flagged(house: House, given: Any, flagged: list[bool]) -> None:
    with openai.OpenAI(base_url=f"{house.error}/v1", api_key="k", max_retries=0) as client:
        answer = client.moderations.create(input=given, model="omni-moderation-latest")
    async with openai.AsyncOpenAI(base_url=f"{house.error}/v1", api_key="k", max_retries=0) as client_:
        awaited = await client_.moderations.create(input=given)

    assert [result.flagged for result in answer.results] == flagged
    assert [result.flagged for result in awaited.results] == flagged
    for result in answer.results:
        scores = result.category_scores.model_dump()
        assert all(0 <= score <= 1 for score in scores.values())
        assert result.categories.model_dump().keys() == scores.keys()
    assert house.seen() == []


def test_picture_that_cannot_be_judged_is_an_error_and_no_clean_result(house: House) -> None:
    with (
        openai.OpenAI(base_url=f"{house.error}/v1", api_key="k", max_retries=0) as client,
        pytest.raises(openai.BadRequestError) as raised,
    ):
        client.moderations.create(input=_parts(SAFE, BLUE[:40]))

    assert raised.value.code == "image_rejected"

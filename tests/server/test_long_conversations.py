"""A conversation with more to judge than there is time for is refused for now, and each try goes on where one ended."""

from typing import Any

from tests.fakes import FixedScorer
from tests.server.house import Builder

_CHAT = "/v1/chat/completions"


def _long(turns: int) -> dict[str, Any]:
    said = [{"role": "user", "content": f"turn {number} says that the cat sat on the mat"} for number in range(turns)]
    return {"model": "m", "messages": said}


async def test_each_try_judges_more_of_a_long_conversation_until_it_passes(build: Builder) -> None:
    limits = {"score_timeout_s": 1.0, "admission_timeout_s": 1.0}
    house = build(scorer=FixedScorer(delay_s=0.02), limits=limits, threads=1)
    statuses: list[int] = []
    asked = [0]

    async with house.client() as client:
        while len(statuses) < 20 and (not statuses or statuses[-1] != 200):
            answer = await client.post(_CHAT, json=_long(80))
            statuses.append(answer.status_code)
            asked.append(len(house.scorer.asked))

    assert set(statuses[:-1]) == {503}
    assert statuses[-1] == 200
    assert asked == sorted(set(asked))
    assert len(house.upstream.sent) == 1

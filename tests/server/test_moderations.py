"""OpenAI's moderation, answered by Guard."""

import base64
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import httpx
import pytest

from guard.core.taxonomies import OPENAI
from guard.types import SCENARIOS, PreparedPair, Scores
from tests.fakes import FixedReader, FixedScorer, score_by_words
from tests.pictures import solid
from tests.server.house import SAFE, UNSAFE, Builder, House

ROUTE = "/v1/moderations"
PICTURE = "data:image/png;base64," + base64.b64encode(solid("red")).decode()


def _score(pair: PreparedPair) -> Scores:
    """Return scores by words: "bomb" is violence too, "spy" a matter of privacy alone."""
    words = " ".join((pair.text, *pair.ocr)).lower()
    base = score_by_words(pair)
    found = {"violence": "bomb" in words, "privacy_leakage": "spy" in words}
    unsafe = 4.0 if any(found.values()) else base.unsafe
    return replace(base, unsafe=unsafe, scenarios=tuple(3.0 if found.get(name) else -4.0 for name in SCENARIOS))


async def _ask(house: House, given: Any, **more: Any) -> httpx.Response:
    async with house.client() as client:
        return await client.post(ROUTE, json={"input": given, **more})


def _results(answer: httpx.Response) -> list[Mapping[str, Any]]:
    assert answer.status_code == 200, answer.text
    results: list[Mapping[str, Any]] = answer.json()["results"]
    return results


async def test_text_is_one_result_in_openais_schema(build: Builder) -> None:
    house = build(scorer=FixedScorer(rule=_score))

    answer = await _ask(house, UNSAFE, model="omni-moderation-latest")

    (result,) = _results(answer)
    assert answer.json()["id"].startswith("modr-")
    assert result["flagged"] is True
    assert result["categories"].keys() == result["category_scores"].keys() == OPENAI.keys()
    assert [name for name, is_flagged in result["categories"].items() if is_flagged] == ["violence"]
    assert result["category_scores"]["violence"] > 0.9
    assert result["category_applied_input_types"]["violence"] == ["text"]
    assert result["guard"]["verdict"] == "unsafe"
    assert answer.headers["x-guard-verdict"] == "unsafe"
    assert house.upstream.sent == []


async def test_list_of_texts_is_a_result_each_in_order(build: Builder) -> None:
    results = _results(await _ask(build(), [SAFE, UNSAFE, SAFE]))

    assert [result["flagged"] for result in results] == [False, True, False]
    assert not any(results[0]["categories"].values())


async def test_list_of_parts_is_one_item_whose_words_and_pictures_are_judged_together(build: Builder) -> None:
    house = build(scorer=FixedScorer(writing=1.0), reader=FixedReader("bomb"))
    parts = [{"type": "text", "text": "how to make a"}, {"type": "image_url", "image_url": {"url": PICTURE}}]

    (result,) = _results(await _ask(house, parts))

    assert result["flagged"] is True
    assert result["category_applied_input_types"]["violence"] == ["text", "image"]
    assert result["category_applied_input_types"]["sexual/minors"] == []
    assert any(pair.text == "how to make a" and pair.ocr for pair in house.scorer.asked)


async def test_category_without_a_counterpart_flags_and_shows_in_the_verdict_alone(build: Builder) -> None:
    (result,) = _results(await _ask(build(scorer=FixedScorer(rule=_score)), "spy on her"))

    assert result["flagged"] is True
    assert not any(result["categories"].values())
    assert result["guard"]["categories"]["privacy_leakage"] > 0.9


async def test_no_score_is_above_the_probability_of_unsafe(build: Builder) -> None:
    likely = FixedScorer(rule=lambda pair: replace(score_by_words(pair), scenarios=(5.0,) * len(SCENARIOS)))

    (result,) = _results(await _ask(build(scorer=likely), SAFE))

    assert result["flagged"] is False
    assert max(result["category_scores"].values()) <= result["guard"]["probability"] < 0.1


async def test_category_that_policy_allows_is_not_flagged(build: Builder) -> None:
    own: dict[str, Any] = {"policy": "own", "policies": {"own": {"categories": {"privacy_leakage": "allow"}}}}
    house = build(scorer=FixedScorer(rule=_score), **own)

    (result,) = _results(await _ask(house, "spy on her"))

    assert result["flagged"] is False


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ([{"type": "image_url", "image_url": {"url": "https://unknown.example/a.png"}}], "image_unreachable"),
        ([{"type": "text", "text": SAFE}, {"type": "input_audio", "input_audio": {"data": "x"}}], "audio_part"),
        ([{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}], "image_rejected"),
    ],
)
async def test_what_cannot_be_judged_is_an_error_and_never_unflagged(
    build: Builder, parts: list[dict[str, Any]], code: str
) -> None:
    answer = await _ask(build(), parts)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    assert answer.headers["x-guard-verdict"] == "unjudged"


async def test_what_cannot_be_judged_passes_unflagged_where_policy_says_so_and_says_so(
    build: Builder,
) -> None:
    parts = [{"type": "image_url", "image_url": {"url": "https://unknown.example/a.png"}}]

    (result,) = _results(await _ask(build(policy={"on_unjudged": "allow"}), parts))

    assert (result["flagged"], result["guard"]["verdict"]) == (False, "unjudged")


async def test_guards_own_fault_is_503(build: Builder) -> None:
    answer = await _ask(build(scorer=FixedScorer(failure=ValueError("broken"))), SAFE)

    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "guard_unavailable")


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"input": []},
        {"input": 1},
        {"input": {"type": "text", "text": "x"}},
        {"input": ["x", {"type": "text", "text": "x"}]},
        {"input": [{"type": "text", "text": "x"}, "x"]},
        {"input": [["x"]]},
        {"input": ["x"] * 257},
        {"input": [{"type": "hologram"}]},
        {"input": "x", "text": UNSAFE},
        {"input": "x", "Input": UNSAFE},
        {"input": "x", "model": {"name": "m"}},
        {"input": [{"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}] * 33},
    ],
)
async def test_wrong_request_is_400(build: Builder, document: dict[str, Any]) -> None:
    house = build()

    async with house.client() as client:
        answer = await client.post(ROUTE, json=document)

    assert answer.status_code == 400
    assert house.scorer.asked == []


async def test_other_methods_are_unknown(build: Builder) -> None:
    async with build().client() as client:
        answer = await client.get(ROUTE)

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_route")

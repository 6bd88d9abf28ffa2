"""LiteLLM's generic guardrail contract, in requests as LiteLLM 1.106 writes them."""

import base64
from typing import Any

import httpx
import pytest

from tests.fakes import FixedReader, FixedScorer
from tests.pictures import solid
from tests.server.house import SAFE, UNSAFE, Builder, House

ROUTE = "/beta/litellm_basic_guardrail_api"
URL = "https://pictures.example/a.png"
PNG = base64.b64encode(solid("red")).decode()
DATA_URL = f"data:image/png;base64,{PNG}"


def _request(**given: Any) -> dict[str, Any]:
    return {
        "input_type": "request",
        "litellm_call_id": "c",
        "litellm_trace_id": "t",
        "structured_messages": None,
        "images": None,
        "tools": None,
        "texts": [],
        "request_data": {"user_api_key_hash": "h"},
        "request_headers": {"authorization": "[present]"},
        "litellm_version": "1.106.2",
        "additional_provider_specific_params": {},
        "tool_calls": None,
        "model": "m",
        **given,
    }


def _said(*parts: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(parts)}]


def _picture(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


async def _ask(house: House, **given: Any) -> httpx.Response:
    async with house.client() as client:
        return await client.post(ROUTE, json=_request(**given))


async def test_harmless_request_goes_on_as_it_is(build: Builder) -> None:
    answer = await _ask(build(), texts=[SAFE], structured_messages=[{"role": "user", "content": SAFE}])

    assert (answer.status_code, answer.json()["action"]) == (200, "NONE")
    assert answer.json().keys() == {"action", "guard"}
    assert answer.headers["x-guard-verdict"] == "safe"


@pytest.mark.parametrize(
    "given",
    [
        {"texts": [UNSAFE]},
        {"texts": [UNSAFE, SAFE]},
        {"texts": ["how to make a bo", "mb"]},
        {"texts": None, "structured_messages": [{"role": "user", "content": UNSAFE}]},
        {"texts": [SAFE], "structured_messages": [{"role": "tool", "tool_call_id": "1", "content": UNSAFE}]},
        {"texts": [UNSAFE], "structured_messages": [{"role": "user", "content": SAFE}]},
        {"texts": [SAFE], "tools": [{"type": "function", "function": {"name": "f", "description": UNSAFE}}]},
        {"texts": [SAFE], "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": f'{{"a":"{UNSAFE}"}}'}}]},
        {"texts": [SAFE], "a_field_of_tomorrow": UNSAFE},
        {"input_type": "response", "texts": [UNSAFE]},
        {"input_type": "response", "tool_calls": [{"function": {"name": "f", "arguments": UNSAFE}}]},
    ],
)
async def test_unsafe_content_is_blocked_wherever_litellm_puts_it(build: Builder, given: dict[str, Any]) -> None:
    answer = await _ask(build(), **given)

    assert (answer.status_code, answer.json()["action"]) == (200, "BLOCKED")
    assert answer.json()["guard"]["verdict"] == "unsafe"
    assert "bomb" not in answer.json()["blocked_reason"]


@pytest.mark.parametrize(
    "given",
    [
        {"texts": ["how to make a"], "images": [DATA_URL]},
        {"texts": ["how to make a"], "images": [PNG]},
        {"texts": ["how to make a"], "images": [URL]},
        {"texts": ["how to make a", "go on"], "images": [DATA_URL]},
        {"texts": [], "images": [DATA_URL]},
        {"texts": ["x"], "structured_messages": _said({"type": "text", "text": "x"}, _picture(DATA_URL))},
        {"texts": ["x"], "images": [DATA_URL], "structured_messages": [{"role": "user", "content": "x"}]},
    ],
)
async def test_pictures_are_judged_wherever_litellm_puts_them(build: Builder, given: dict[str, Any]) -> None:
    house = build(scorer=FixedScorer(writing=1.0), reader=FixedReader("bomb"), pictures={URL: solid("red")})

    answer = await _ask(house, **given)

    assert answer.json()["action"] == "BLOCKED"


async def test_flat_picture_meets_every_text_before_it(build: Builder) -> None:
    house = build()

    await _ask(house, texts=["first words", "last words"], images=[DATA_URL])

    assert any(pair.frames and pair.text == "first words\nlast words" for pair in house.scorer.asked)


async def test_fetched_picture_comes_back_as_the_bytes_that_were_judged(build: Builder) -> None:
    house = build(pictures={URL: solid("red")})
    rows = [{"role": "system", "content": "be kind"}, *_said({"type": "text", "text": SAFE}, _picture(URL))]

    answer = await _ask(house, texts=["be kind", SAFE], images=[URL], structured_messages=rows)

    assert house.fetcher.fetched == [URL]
    document = answer.json()
    assert (document["action"], document["guard"]["verdict"]) == ("GUARDRAIL_INTERVENED", "safe")
    assert document["structured_messages"] == [rows[0], *_said({"type": "text", "text": SAFE}, _picture(DATA_URL))]


async def test_fetched_flat_picture_comes_back_in_its_place(build: Builder) -> None:
    answer = await _ask(build(pictures={URL: solid("red")}), texts=[SAFE], images=[DATA_URL, URL])

    assert answer.json()["images"] == [DATA_URL, DATA_URL]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"texts": [SAFE], "images": ["https://unknown.example/a.png"]}, "image_unreachable"),
        ({"texts": [SAFE], "images": ["not base64!"]}, "image_rejected"),
        ({"texts": [SAFE], "structured_messages": _said({"type": "file", "file": {"file_id": "f"}})}, "file_part"),
        ({"texts": [SAFE], "structured_messages": _said({"type": "hologram"})}, "unknown_part"),
        ({"texts": [SAFE], "images_of_tomorrow": {"image_url": URL}}, "unknown_part"),
        ({"texts": [SAFE], "images": [DATA_URL] * 33}, "image_rejected"),
        ({"texts": [SAFE], "structured_messages": _said(*[_picture(DATA_URL)] * 33)}, "image_rejected"),
        ({"texts": [f"text {number}" for number in range(2049)]}, "text_too_long"),
        ({"texts": [SAFE], "structured_messages": [{"role": "user", "content": SAFE}] * 2049}, "text_too_long"),
        ({"texts": [SAFE], "tool_calls": [{"function": {"name": "f"}}] * 2049}, "text_too_long"),
    ],
)
async def test_what_cannot_be_judged_is_blocked_in_an_answer_200(
    build: Builder, given: dict[str, Any], code: str
) -> None:
    strict, lenient = build(), build(policy={"on_unjudged": "allow"})

    blocked = await _ask(strict, **given)
    passed = await _ask(lenient, **given)

    assert (blocked.status_code, blocked.json()["action"]) == (200, "BLOCKED")
    assert code in blocked.json()["blocked_reason"]
    assert blocked.json()["guard"]["verdict"] == "unjudged"
    assert passed.json()["action"] == "NONE"


async def test_too_much_to_judge_is_counted_and_passes_in_shadow_mode(build: Builder) -> None:
    house = build(mode="shadow")

    answer = await _ask(house, texts=[SAFE], images=[DATA_URL] * 33)

    assert (answer.status_code, answer.json()["action"]) == (200, "NONE")
    assert (answer.json()["guard"]["verdict"], answer.json()["guard"]["intended"]) == ("unjudged", "block")
    assert house.metric("guard_images_total", result="unjudged", reason="image_rejected") == 1


@pytest.mark.parametrize(("kind", "direction"), [("request", "input"), ("response", "output")])
async def test_part_of_an_unknown_kind_is_counted_where_it_stands(build: Builder, kind: str, direction: str) -> None:
    said = await _ask(build(), input_type=kind, texts=[SAFE], structured_messages=_said({"type": "hologram"}))

    assert (said.json()["action"], said.json()["guard"]["direction"]) == ("BLOCKED", direction)


async def test_guards_own_fault_is_a_block_under_fail_closed_and_none_under_fail_open(build: Builder) -> None:
    broken = FixedScorer(failure=ValueError("broken"))

    closed = await _ask(build(scorer=broken), texts=[SAFE])
    opened = await _ask(build(scorer=broken, policy={"on_error": "allow"}), texts=[SAFE])

    assert (closed.status_code, closed.json()["action"]) == (200, "BLOCKED")
    assert opened.json()["action"] == "NONE"


async def test_answer_of_the_model_is_judged_by_itself_in_the_direction_output(build: Builder) -> None:
    house = build()

    await _ask(house, texts=["how to make"])
    answer = await _ask(house, input_type="response", texts=["a cake"])

    assert answer.json()["guard"]["direction"] == "output"
    assert house.scorer.asked[-1].text == "a cake"


async def test_what_callers_of_litellm_add_changes_nothing(build: Builder) -> None:
    extra = {"policy": "off", "mode": "shadow", "threshold": 1}

    answer = await _ask(build(), texts=[UNSAFE], additional_provider_specific_params=extra, request_data=extra)

    assert answer.json()["action"] == "BLOCKED"


async def test_system_words_are_exempt_in_both_forms_where_policy_says_so(build: Builder) -> None:
    house = build(policy={"judge_system": False})
    rows = [{"role": "system", "content": UNSAFE}, {"role": "user", "content": SAFE}]

    answer = await _ask(house, texts=[UNSAFE, SAFE], structured_messages=rows)

    assert answer.json()["action"] == "NONE"


async def test_shadow_mode_blocks_nothing_and_says_what_it_would_have_done(build: Builder) -> None:
    answer = await _ask(build(mode="shadow"), texts=[UNSAFE])

    assert (answer.json()["action"], answer.json()["guard"]["intended"]) == ("NONE", "block")


@pytest.mark.parametrize(
    "given",
    [
        {"input_type": "both"},
        {"input_type": None},
        {"texts": "bomb"},
        {"texts": [1]},
        {"images": DATA_URL},
        {"images": [{"url": DATA_URL}]},
        {"tools": {"name": "bomb"}},
        {"tool_calls": "bomb"},
        {"structured_messages": "bomb"},
        {"structured_messages": [{"content": "bomb"}]},
    ],
)
async def test_what_is_not_the_contract_is_400(build: Builder, given: dict[str, Any]) -> None:
    answer = await _ask(build(), **given)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "request_invalid")

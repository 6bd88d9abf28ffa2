"""How each API's requests pass, and how they are refused in its own shape."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import orjson
import pytest

from guard.errors import UpstreamBroken, UpstreamUnreachable
from guard.server.apis import Api
from guard.server.apis.chat import CHAT
from guard.server.apis.completions import COMPLETIONS
from guard.server.apis.messages import MESSAGES
from guard.server.apis.responses import RESPONSES
from tests.fakes import FakeUpstream, FixedScorer
from tests.server.house import SAFE, UNSAFE, Builder, House, chat

ASKS: dict[str, Callable[[str], dict[str, Any]]] = {
    "/v1/chat/completions": lambda text: chat(text),
    "/v1/completions": lambda text: {"model": "m", "prompt": text},
    "/v1/responses": lambda text: {"model": "m", "input": text},
    "/v1/responses/input_tokens": lambda text: {"model": "m", "input": text},
    "/v1/responses/compact": lambda text: {"model": "m", "input": text},
    "/v1/messages": lambda text: {"max_tokens": 9, **chat(text)},
    "/v1/messages/count_tokens": lambda text: chat(text),
    "/v1/messages/batches": lambda text: {"requests": [{"custom_id": "1", "params": chat(text)}]},
    "/openai/deployments/d/chat/completions": lambda text: chat(text),
    "/openai/v1/responses": lambda text: {"model": "m", "input": text},
    "/anthropic/v1/messages": lambda text: chat(text),
}
BY_ERROR = [path for path in ASKS if not path.endswith("/v1/messages")]


async def _post(house: House, path: str, document: dict[str, Any]) -> httpx.Response:
    async with house.client() as client:
        return await client.post(path, json=document)


def _events(answer: httpx.Response) -> list[tuple[str | None, dict[str, Any]]]:
    events = []
    for block in answer.text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        if fields["data"] != "[DONE]":
            events.append((fields.get("event"), orjson.loads(fields["data"])))
    return events


@pytest.mark.parametrize("path", ASKS)
async def test_safe_request_is_sent_on_to_the_same_path_as_it_was_read(build: Builder, path: str) -> None:
    house = build()

    answer = await _post(house, path, ASKS[path](SAFE))

    assert (answer.status_code, answer.headers["x-guard-verdict"]) == (200, "safe")
    (sent,) = house.upstream.sent
    assert (sent.path, orjson.loads(sent.body)) == (path, ASKS[path](SAFE))


@pytest.mark.parametrize("path", BY_ERROR)
async def test_unsafe_request_is_refused_by_an_error_and_never_sent(build: Builder, path: str) -> None:
    house = build()

    answer = await _post(house, path, ASKS[path](UNSAFE))

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "content_filter")
    assert (answer.json().get("type") == "error") == ("messages" in path)
    assert answer.json()["guard"]["verdict"] == "unsafe"
    assert house.upstream.sent == []


@pytest.mark.parametrize("path", [path for path in BY_ERROR if path.rsplit("/", 1)[1] in ("input_tokens", "compact")])
async def test_where_an_answer_has_no_place_for_a_refusal_it_is_an_error_whatever_is_configured(
    build: Builder, path: str
) -> None:
    answer = await _post(build(refusal="message"), path, ASKS[path](UNSAFE))

    assert answer.status_code == 400


@pytest.mark.parametrize("refusal", ["error", "message"])
async def test_anthropic_refusal_is_a_message_that_stopped_by_refusal(build: Builder, refusal: str) -> None:
    house = build(refusal=refusal)

    answer = await _post(house, "/v1/messages", ASKS["/v1/messages"](UNSAFE))

    message = answer.json()
    assert answer.status_code == 200
    assert (message["type"], message["role"], message["model"]) == ("message", "assistant", "m")
    assert (message["stop_reason"], message["stop_details"]["type"]) == ("refusal", "refusal")
    assert message["content"][0]["text"]
    assert message["guard"]["action"] == answer.headers["x-guard-action"] == "block"
    assert house.upstream.sent == []


async def test_streamed_anthropic_refusal_has_the_events_of_a_message(build: Builder) -> None:
    answer = await _post(build(), "/v1/messages", {**ASKS["/v1/messages"](UNSAFE), "stream": True})

    events = _events(answer)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert [name for name, _ in events] == [event["type"] for _, event in events]
    assert [name for name, _ in events] == [
        *("message_start", "content_block_start", "content_block_delta", "content_block_stop"),
        *("message_delta", "message_stop"),
    ]
    assert events[0][1]["message"]["stop_reason"] is None
    assert events[4][1]["delta"]["stop_reason"] == "refusal"


async def test_responses_refusal_as_a_message_is_incomplete(build: Builder) -> None:
    answer = await _post(build(refusal="message"), "/v1/responses", ASKS["/v1/responses"](UNSAFE))

    response = answer.json()
    assert (answer.status_code, response["object"], response["status"]) == (200, "response", "incomplete")
    assert response["incomplete_details"] == {"reason": "content_filter"}
    assert [part["type"] for part in response["output"][0]["content"]] == ["output_text", "refusal"]
    assert response["guard"]["verdict"] == "unsafe"


async def test_streamed_responses_refusal_has_the_events_of_a_response(build: Builder) -> None:
    answer = await _post(build(refusal="message"), "/v1/responses", {**ASKS["/v1/responses"](UNSAFE), "stream": True})

    events = _events(answer)
    assert [event["sequence_number"] for _, event in events] == list(range(len(events)))
    assert [name for name, _ in events] == [event["type"] for _, event in events]
    assert (events[0][0], events[-1][0]) == ("response.created", "response.incomplete")
    text = "".join(event["delta"] for name, event in events if name == "response.output_text.delta")
    assert text == events[-1][1]["response"]["output"][0]["content"][0]["text"]
    assert "[DONE]" not in answer.text


async def test_completions_refusal_as_a_message_has_a_choice_for_every_answer_asked_for(
    build: Builder,
) -> None:
    document = {"model": "m", "prompt": [UNSAFE, SAFE], "n": 2}

    answer = await _post(build(refusal="message"), "/v1/completions", document)

    assert answer.json()["object"] == "text_completion"
    assert [choice["index"] for choice in answer.json()["choices"]] == [0, 1, 2, 3]
    assert {choice["finish_reason"] for choice in answer.json()["choices"]} == {"content_filter"}


async def test_streamed_completions_refusal_ends_with_done(build: Builder) -> None:
    document = {"model": "m", "prompt": UNSAFE, "stream": True, "stream_options": {"include_usage": True}}

    answer = await _post(build(refusal="message"), "/v1/completions", document)

    (_, said), (_, chunk), (_, usage) = _events(answer)
    assert said["choices"][0]["text"]
    assert (chunk["choices"][0]["finish_reason"], usage["usage"]["total_tokens"]) == ("content_filter", 0)
    assert answer.text.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize(
    ("path", "document", "code", "param"),
    [
        ("/v1/responses", {"input": SAFE, "previous_response_id": "r"}, "stored_content", "input"),
        ("/v1/completions", {"prompt": [1, 2]}, "token_part", "prompt"),
        ("/v1/responses", {"input": SAFE, "tools": [{"type": "mcp", "server_url": "x"}]}, "server_tool", "input"),
        ("/v1/messages", {**chat(SAFE), "container": "c"}, "stored_content", None),
    ],
)
async def test_content_that_no_request_shows_is_400_with_its_code_and_passes_where_policy_says_so(
    build: Builder, path: str, document: dict[str, Any], code: str, param: str | None
) -> None:
    strict, lenient = build(), build(policy={"on_unjudged": "allow"})

    refused = await _post(strict, path, document)
    passed = await _post(lenient, path, document)

    assert (refused.status_code, refused.json()["error"]["code"]) == (400, code)
    assert refused.json()["error"].get("param") == param
    assert strict.metric("guard_unjudged_parts_total", code=code) == 1
    assert strict.upstream.sent == []
    assert (passed.status_code, passed.headers["x-guard-verdict"]) == (200, "unjudged")


@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("/v1/responses", {"input": [{"type": "hologram"}]}),
        ("/v1/messages", {"messages": [{"role": "user", "content": [{"type": "hologram"}]}]}),
        ("/v1/completions", {"prompt": SAFE, "prompt_embeds": "AAAA"}),
    ],
)
async def test_part_of_an_unknown_type_is_refused_in_the_apis_shape(
    build: Builder, path: str, document: dict[str, Any]
) -> None:
    house = build(policy={"on_unjudged": "allow"})

    answer = await _post(house, path, document)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "unknown_part")
    assert (answer.json().get("type") == "error") == (path == "/v1/messages")
    assert house.upstream.sent == []


async def test_guards_own_fault_is_503_in_anthropics_shape(build: Builder) -> None:
    house = build(scorer=FixedScorer(failure=ValueError("broken")))

    answer = await _post(house, "/v1/messages", chat(SAFE))

    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["code"]) == (503, "overloaded_error", "guard_unavailable")
    assert int(answer.headers["retry-after"]) >= 1


async def test_client_of_anthropics_gets_its_errors_in_anthropics_shape_at_unknown_paths(build: Builder) -> None:
    house = build()

    async with house.client() as client:
        answer = await client.get("/v1/nothing", headers={"anthropic-version": "2023-06-01"})

    assert (answer.status_code, answer.json()["error"]["type"]) == (404, "not_found_error")


async def test_upstream_that_is_down_is_502_in_anthropics_shape(build: Builder) -> None:
    house = build(upstream=FakeUpstream(failure=UpstreamUnreachable("no connection")))

    answer = await _post(house, "/v1/messages", chat(SAFE))

    assert (answer.status_code, answer.json()["type"], answer.json()["error"]["type"]) == (502, "error", "api_error")


@pytest.mark.parametrize(
    ("api", "start", "keys"),
    [
        (CHAT, b"\n\ndata: ", {"error"}),
        (COMPLETIONS, b"\n\ndata: ", {"error"}),
        (RESPONSES, b"\n\nevent: error\ndata: ", {"type", "code", "message", "param"}),
        (MESSAGES, b"\n\nevent: error\ndata: ", {"type", "error"}),
    ],
    ids=["chat", "completions", "responses", "messages"],
)
def test_stream_that_breaks_off_ends_with_the_apis_own_event(api: Api, start: bytes, keys: set[str]) -> None:
    event = api.error_event(UpstreamBroken.code, "it broke")

    assert event.startswith(start)
    assert event.endswith(b"\n\n")
    assert orjson.loads(event.removeprefix(start)).keys() == keys


async def test_kept_answers_are_forwarded_without_a_body_and_denied_where_answers_are_judged(build: Builder) -> None:
    open_house, judging = build(), build(judge_output=True)

    async with open_house.client() as client:
        fetched = await client.get("/v1/responses/resp_1?stream=true")
        cancelled = await client.post("/v1/responses/resp_1/cancel")
        smuggled = await client.post("/v1/responses/resp_1/cancel", json={"input": UNSAFE})
    async with judging.client() as client:
        denied = await client.get("/v1/responses/resp_1")

    assert [(sent.method, sent.path) for sent in open_house.upstream.sent] == [
        ("GET", "/v1/responses/resp_1"),
        ("POST", "/v1/responses/resp_1/cancel"),
    ]
    assert (fetched.status_code, cancelled.status_code, smuggled.status_code) == (200, 200, 400)
    assert (denied.status_code, judging.upstream.sent) == (404, [])


async def test_every_api_is_judged_at_once_under_its_own_label(build: Builder) -> None:
    house = build()

    await asyncio.gather(*(_post(house, path, ASKS[path](SAFE)) for path in ASKS))

    labels = [path.replace("/d/", "/{name}/") for path in ASKS]
    counted = [
        house.metric("guard_requests_total", route=label, policy="balanced", mode="enforce", action="allow")
        for label in labels
    ]
    assert counted == [1.0] * len(labels)

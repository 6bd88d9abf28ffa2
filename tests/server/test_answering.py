"""Answers of the LLM are judged before the client sees them, and end as their API ends what was refused."""

import json
from typing import Any

import pytest

from tests.answers.streams import STREAMS, documents, shown_text
from tests.answers.streams import chat as chat_stream
from tests.server.answers import CALM, PATHS, SMALL, VILE, answer, ask, streaming, whole
from tests.server.house import Builder


@pytest.mark.parametrize("api", sorted(PATHS))
async def test_safe_answer_passes_byte_for_byte(build: Builder, api: str) -> None:
    document = answer(api, "".join(CALM)) | {"x-float": 0.10, "x-unknown": {"kept": [1, None]}}
    house = build(upstream=whole(document), judge_output=True)

    got = await ask(house, api)

    assert (got.status_code, got.content) == (200, json.dumps(document).encode())
    assert got.headers["x-guard-verdict"] == "safe"
    assert any("until the evening" in pair.text for pair in house.scorer.asked)


@pytest.mark.parametrize("api", sorted(PATHS))
async def test_safe_stream_passes_event_by_event(build: Builder, api: str) -> None:
    events = STREAMS[api](CALM)
    house = build(upstream=streaming(events), judge_output=SMALL)

    got = await ask(house, api, stream=True)

    assert documents(got.content) == documents(b"".join(events))
    assert any("until the evening" in pair.text for pair in house.scorer.asked)


@pytest.mark.parametrize("api", ["chat", "completions", "responses"])
async def test_unsafe_answer_is_refused_as_configured(build: Builder, api: str) -> None:
    by_error = build(upstream=whole(answer(api, "".join(VILE))), judge_output=True)
    by_message = build(upstream=whole(answer(api, "".join(VILE))), judge_output=True, refusal="message")

    error, message = await ask(by_error, api), await ask(by_message, api)

    assert (error.status_code, error.json()["error"]["code"]) == (400, "content_filter")
    assert error.json()["guard"]["direction"] == "output"
    assert error.headers["x-guard-verdict"] == "unsafe"
    assert message.status_code == 200
    assert "content_filter" in message.text
    assert "bomb" not in error.text + message.text


async def test_unsafe_anthropic_answer_has_stop_reason_refusal(build: Builder) -> None:
    house = build(upstream=whole(answer("messages", "".join(VILE))), judge_output=True)

    got = await ask(house, "messages")

    assert (got.status_code, got.json()["stop_reason"]) == (200, "refusal")
    assert "bomb" not in got.text


@pytest.mark.parametrize("api", sorted(PATHS))
async def test_stream_stops_before_what_is_unsafe(build: Builder, api: str) -> None:
    house = build(upstream=streaming(STREAMS[api](VILE)), judge_output=SMALL)

    got = await ask(house, api, stream=True)

    shown = shown_text(api, got.content)
    assert got.status_code == 200
    assert shown.startswith("The cat sat on the mat")
    assert "".join(VILE).startswith(shown)
    assert "bo" not in shown
    assert house.upstream.answers[0].is_closed
    assert (
        house.metric("guard_requests_total", route=PATHS[api], policy="balanced", mode="enforce", action="block") == 1
    )


async def test_refused_chat_stream_ends_with_content_filter_and_done(build: Builder) -> None:
    house = build(upstream=streaming(STREAMS["chat"](VILE)), judge_output=SMALL)

    got = await ask(house, stream=True, stream_options={"include_usage": True})

    *_, last, usage = documents(got.content)
    assert last["choices"] == [{"index": 0, "logprobs": None, "finish_reason": "content_filter", "delta": {}}]
    assert (last["id"], last["guard"]["direction"], last["guard"]["id"]) == (
        "chatcmpl-1",
        "output",
        got.headers["x-guard-id"],
    )
    assert usage["choices"] == []
    assert got.content.endswith(b"data: [DONE]\n\n")


async def test_refused_anthropic_stream_closes_its_block_and_stops_with_refusal(build: Builder) -> None:
    house = build(upstream=streaming(STREAMS["messages"](VILE)), judge_output=SMALL)

    got = await ask(house, "messages", stream=True)

    *_, block, delta, stop = documents(got.content)
    assert (block, stop) == ({"type": "content_block_stop", "index": 0}, {"type": "message_stop"})
    assert (delta["delta"]["stop_reason"], delta["delta"]["stop_details"]["type"]) == ("refusal", "refusal")


async def test_refused_response_stream_is_incomplete_with_what_was_shown(build: Builder) -> None:
    house = build(upstream=streaming(STREAMS["responses"](VILE)), judge_output=SMALL)

    got = await ask(house, "responses", stream=True)

    *before, last = documents(got.content)
    assert last["type"] == "response.incomplete"
    assert last["sequence_number"] == before[-1]["sequence_number"] + 1
    response = last["response"]
    assert (response["id"], response["status"]) == ("resp_1", "incomplete")
    assert response["incomplete_details"] == {"reason": "content_filter"}
    assert response["output"][0]["content"][0]["text"] == shown_text("responses", got.content)


@pytest.mark.parametrize("api", sorted(PATHS))
async def test_stream_that_is_unsafe_from_the_start_says_so_where_refusals_are_messages(
    build: Builder, api: str
) -> None:
    house = build(upstream=streaming(STREAMS[api](["bomb"])), judge_output=SMALL, refusal="message")

    got = await ask(house, api, stream=True)

    assert "withheld" in got.text
    assert '"bomb"' not in got.text


@pytest.mark.parametrize(
    "delta",
    [
        {"reasoning_content": "a bomb"},
        {"refusal": "a bomb"},
        {
            "tool_calls": [
                {
                    "index": 0,
                    "id": "c",
                    "type": "function",
                    "function": {"name": "f", "arguments": '{"q":"b\\u006fmb"}'},
                }
            ]
        },
        {"tool_calls": [{"index": 0, "function": {"name": "make a bomb"}}]},
        {"audio": {"transcript": "a bomb"}},
        {"field_of_tomorrow": [{"deep": "a bomb"}]},
        {"a key with a bomb": 1},
        {"content": "\\ud83d", "x": "bomb"},
    ],
    ids=lambda delta: next(iter(delta)),
)
async def test_whatever_a_choice_says_is_judged(build: Builder, delta: dict[str, Any]) -> None:
    chunk = f"data: {json.dumps({'choices': [{'index': 1, 'delta': delta}]})}\n\n".encode()
    message = {"choices": [{"index": 0, "message": {"content": "ok"}}, {"index": 1, "message": delta}]}
    in_stream = build(upstream=streaming([*chat_stream(CALM), chunk, b"data: [DONE]\n\n"]), judge_output=SMALL)
    in_document = build(upstream=whole(message), judge_output=True)

    streamed, complete = await ask(in_stream, stream=True), await ask(in_document)

    assert "content_filter" in streamed.text
    assert (complete.status_code, complete.json()["error"]["code"]) == (400, "content_filter")
    assert "bomb" not in streamed.text + complete.text


async def test_log_probabilities_wait_for_their_tokens(build: Builder) -> None:
    def chunk(piece: str) -> bytes:
        entry = {"token": piece, "bytes": list(piece.encode()), "logprob": -0.1, "top_logprobs": []}
        choice = {"index": 0, "delta": {"content": piece}, "logprobs": {"content": [entry], "refusal": None}}
        return f"data: {json.dumps({'choices': [choice]})}\n\n".encode()

    house = build(upstream=streaming([*map(chunk, VILE), b"data: [DONE]\n\n"]), judge_output=SMALL)

    got = await ask(house, stream=True, logprobs=True)

    choices = [choice for document in documents(got.content) for choice in document["choices"]]
    tokens = [choice["logprobs"]["content"][0]["token"] for choice in choices if choice["logprobs"]]
    assert "".join(tokens) == shown_text("chat", got.content)
    assert "bo" not in tokens
    # Tokens that spell the text beside them are judged once, with it.
    assert len({pair.text for pair in house.scorer.asked}) == len(house.scorer.asked)


async def test_tokens_that_spell_something_else_are_judged(build: Builder) -> None:
    entry: dict[str, Any] = {"token": "bomb", "bytes": None, "logprob": 0, "top_logprobs": []}
    choice = {"index": 0, "message": {"content": "cat"}, "logprobs": {"content": [entry]}}
    house = build(upstream=whole({"choices": [choice]}), judge_output=True)

    assert (await ask(house)).status_code == 400


async def test_echo_of_the_request_is_not_judged_again(build: Builder) -> None:
    echo = {"type": "response.created", "sequence_number": 0, "response": {"id": "r", "instructions": "be kind to all"}}
    stream = [f"event: response.created\ndata: {json.dumps(echo)}\n\n".encode(), *STREAMS["responses"](CALM)[2:]]
    house = build(upstream=streaming(stream), judge_output=SMALL)

    await ask(house, "responses", stream=True, instructions="be kind to all")

    assert [pair.text for pair in house.scorer.asked].count("be kind to all") == 1


async def test_text_repeated_in_full_at_the_end_is_not_judged_again(build: Builder) -> None:
    house = build(upstream=streaming(STREAMS["responses"](CALM)), judge_output=SMALL)

    await ask(house, "responses", stream=True)

    assert all(len(pair.text) <= 61 for pair in house.scorer.asked)

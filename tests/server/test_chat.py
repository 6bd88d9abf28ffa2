"""The chat door: what passes, what is refused and how, and what reaches the upstream."""

import asyncio
import base64
import io
from typing import Any

import orjson
import pytest
from PIL import Image

from guard.errors import ScorerFailed
from tests.fakes import FakeUpstream, FixedReader, FixedScorer
from tests.server.house import SAFE, UNSAFE, Builder, chat

CHAT = "/v1/chat/completions"


def _png(colour: str = "blue") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(buffer, "PNG")
    return buffer.getvalue()


def _with_picture(text: str, url: str) -> dict[str, Any]:
    parts = [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": url, "detail": "low"}}]
    return {"model": "m", "messages": [{"role": "user", "content": parts}]}


def _data_url(data: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(data).decode()


async def test_safe_request_is_sent_on_and_its_answer_comes_back(build: Builder) -> None:
    house = build(upstream=FakeUpstream(status=201, headers={"x-request-id": "r1"}, body=[b'{"a":', b"1}"]))

    async with house.client() as client:
        answer = await client.post(CHAT, json=chat(SAFE))

    assert (answer.status_code, answer.json(), answer.headers["x-request-id"]) == (201, {"a": 1}, "r1")
    assert answer.headers["x-guard-verdict"] == "safe"
    assert answer.headers["x-guard-action"] == "allow"
    assert len(answer.headers["x-guard-id"]) == 32
    (sent,) = house.upstream.sent
    assert (sent.method, sent.path, orjson.loads(sent.body)) == ("POST", CHAT, chat(SAFE))


async def test_callers_key_travels_and_headers_of_the_connection_do_not(build: Builder) -> None:
    house = build()
    headers = {
        "authorization": "Bearer caller",
        "openai-organization": "org",
        "connection": "keep-alive, x-hop",
        "x-hop": "1",
        "te": "trailers",
        "proxy-authorization": "Basic x",
        "x-guard-verdict": "safe",
        "content-type": "text/plain",
    }

    async with house.client() as client:
        await client.post(CHAT, content=orjson.dumps(chat(SAFE)), headers=headers)

    sent = house.upstream.sent[0].headers
    assert sent["authorization"] == "Bearer caller"
    assert sent["openai-organization"] == "org"
    assert sent["content-type"] == "application/json"
    assert not {"connection", "x-hop", "te", "proxy-authorization", "x-guard-verdict", "host"} & sent.keys()


async def test_unsafe_request_is_refused_as_azure_words_it_and_never_sent(build: Builder) -> None:
    house = build()

    async with house.client() as client:
        answer = await client.post(CHAT, json=chat(UNSAFE))

    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", "messages", "content_filter")
    assert error["innererror"]["code"] == "ResponsibleAIPolicyViolation"
    assert all(category["filtered"] for category in error["innererror"]["content_filter_result"].values())
    verdict = answer.json()["guard"]
    assert (verdict["verdict"], verdict["action"], verdict["cause"]) == ("unsafe", "block", "text")
    assert answer.headers["x-guard-id"] == verdict["id"]
    assert house.upstream.sent == []


async def test_refusal_as_a_message_has_every_choice_filtered(build: Builder) -> None:
    house = build(refusal="message")

    async with house.client() as client:
        answer = await client.post(CHAT, json=chat(UNSAFE, n=2))

    assert answer.status_code == 200
    document = answer.json()
    assert (document["object"], document["model"], document["guard"]["verdict"]) == ("chat.completion", "m", "unsafe")
    assert [choice["finish_reason"] for choice in document["choices"]] == ["content_filter"] * 2
    assert document["choices"][0]["message"]["refusal"]
    assert answer.headers["x-guard-action"] == "block"


async def test_streamed_refusal_as_a_message_ends_with_done(build: Builder) -> None:
    house = build(refusal="message")

    async with house.client() as client:
        answer = await client.post(CHAT, json=chat(UNSAFE, stream=True, stream_options={"include_usage": True}))

    assert answer.headers["content-type"].startswith("text/event-stream")
    *events, done = [line.removeprefix("data: ") for line in answer.text.split("\n\n") if line]
    chunks = [orjson.loads(event) for event in events]
    assert done == "[DONE]"
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert chunks[1]["choices"][0]["finish_reason"] == "content_filter"
    assert chunks[1]["guard"]["verdict"] == "unsafe"
    assert chunks[2]["usage"]["total_tokens"] == 0


async def test_unsafe_stream_is_an_error_before_any_event_by_default(build: Builder) -> None:
    house = build()

    async with house.client() as client:
        answer = await client.post(CHAT, json=chat(UNSAFE, stream=True))

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "content_filter")


async def test_picture_behind_a_url_is_sent_as_the_bytes_that_were_judged(build: Builder) -> None:
    url, data = "https://pictures.example/a.png", _png()
    house = build(pictures={url: data})

    async with house.client() as client:
        await client.post(CHAT, json=_with_picture(SAFE, url))

    assert house.fetcher.fetched == [url]
    part = orjson.loads(house.upstream.sent[0].body)["messages"][0]["content"][1]
    assert part["image_url"] == {"url": _data_url(data), "detail": "low"}


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("https://unknown.example/a.png", "image_unreachable"),
        (_data_url(b"no picture"), "image_rejected"),
        (_data_url(_png()[:40]), "image_rejected"),
        (_data_url(_png()).replace("image/png", "application/pdf"), "image_rejected"),
        (_data_url(_png()).replace("image/png", ""), "image_rejected"),
        ("file:///etc/passwd", "image_unreachable"),
    ],
)
async def test_picture_that_cannot_be_judged_is_400_with_its_own_code(build: Builder, url: str, code: str) -> None:
    house = build()

    async with house.client() as client:
        answer = await client.post(CHAT, json=_with_picture(SAFE, url))

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    verdict = answer.json()["guard"]
    assert (verdict["verdict"], verdict["basis"], verdict["images"][0]["reason"]) == ("unjudged", "error_policy", code)
    assert house.upstream.sent == []
    assert house.metric("guard_images_total", result="unjudged", reason=code) == 1


async def test_picture_that_cannot_be_judged_passes_where_policy_says_so(build: Builder) -> None:
    house = build(policy={"on_unjudged": "allow"})

    async with house.client() as client:
        answer = await client.post(CHAT, json=_with_picture(SAFE, _data_url(b"no picture")))

    assert answer.status_code == 200
    assert answer.headers["x-guard-verdict"] == "unjudged"
    assert len(house.upstream.sent) == 1


async def test_unsafe_request_that_policy_only_flags_is_refused_for_what_could_not_be_judged(build: Builder) -> None:
    house = build(policy={"unsafe_action": "flag"})

    async with house.client() as client:
        flagged = await client.post(CHAT, json=chat(UNSAFE))
        refused = await client.post(CHAT, json=_with_picture(UNSAFE, _data_url(b"no picture")))

    assert (flagged.status_code, flagged.headers["x-guard-action"]) == (200, "flag")
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "image_rejected")
    assert refused.json()["guard"]["verdict"] == "unsafe"


@pytest.mark.parametrize(
    ("scorer", "code"),
    [
        (FixedScorer(failure=ScorerFailed("broken")), "scorer_failed"),
        (FixedScorer(failure=ValueError("foreign")), "scorer_failed"),
        (FixedScorer(hang=True), "scorer_timeout"),
    ],
    ids=["fails", "raises something foreign", "hangs"],
)
async def test_guards_own_fault_is_503_under_fail_closed(build: Builder, scorer: FixedScorer, code: str) -> None:
    house = build(scorer=scorer, limits={"score_timeout_s": 0.3, "admission_timeout_s": 0.1})

    async with house.client() as client:
        answer = await client.post(CHAT, json=chat(SAFE))

    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "guard_unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.json()["guard"]["code"] == code
    assert house.upstream.sent == []


async def test_reader_that_cannot_keep_up_is_503_even_where_unjudged_content_passes(build: Builder) -> None:
    class Slow(FixedReader):
        async def read(self, frame: object) -> str:
            await asyncio.Event().wait()
            return ""

    house = build(
        scorer=FixedScorer(writing=1.0),
        reader=Slow(),
        limits={"score_timeout_s": 0.4, "admission_timeout_s": 0.05},
        policy={"on_unjudged": "allow"},
    )

    async with house.client() as client:
        answer = await client.post(CHAT, json=_with_picture(SAFE, _data_url(_png())))

    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "guard_unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    assert house.upstream.sent == []


async def test_guards_own_fault_passes_under_fail_open_and_says_so(build: Builder) -> None:
    house = build(scorer=FixedScorer(failure=ScorerFailed("broken")), policy={"on_error": "allow"})

    async with house.client() as client:
        answer = await client.post(CHAT, json=chat(SAFE))

    assert (answer.status_code, answer.headers["x-guard-verdict"]) == (200, "unjudged")
    assert house.metric("guard_errors_total", stage="score", code="scorer_failed", action="allow") == 1

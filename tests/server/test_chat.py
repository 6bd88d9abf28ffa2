"""The chat door: what passes, what is refused and how, and what reaches the upstream."""

import asyncio
import base64
import gzip
import io
from typing import Any

import orjson
import pytest
from PIL import Image

from guard.errors import ScorerFailed
from tests.fakes import FakeUpstream, FixedReader, FixedScorer
from tests.server.house import SAFE, UNSAFE, Builder, chat, until

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


async def test_shadow_mode_passes_what_is_unsafe_and_says_so(build: Builder) -> None:
    house = build(mode="shadow")

    async with house.client() as client:
        answer = await client.post(CHAT, json=chat(UNSAFE))

    assert answer.status_code == 200
    assert (answer.headers["x-guard-verdict"], answer.headers["x-guard-action"]) == ("unsafe", "allow")
    assert len(house.upstream.sent) == 1
    (decisions,) = [
        sample.labels
        for metric in house.guard.telemetry.registry.collect()
        for sample in metric.samples
        if sample.name == "guard_decisions_total"
    ]
    assert (decisions["intended"], decisions["action"]) == ("block", "allow")


async def test_shadow_mode_passes_a_body_that_it_cannot_read_as_it_came(build: Builder) -> None:
    house = build(mode="shadow")
    body = b'{"messages":[],"messages":1}'

    async with house.client() as client:
        answer = await client.post(CHAT, content=body, headers={"content-type": "application/weird"})

    assert (answer.status_code, answer.headers["x-guard-verdict"]) == (200, "unjudged")
    assert house.upstream.sent[0].body == body
    assert house.upstream.sent[0].headers["content-type"] == "application/weird"


async def test_mode_off_forwards_the_very_bytes_without_judging_and_counts(build: Builder) -> None:
    house = build(mode="off")
    body = b'{ "messages": [ {"role":"user","content":"bomb"} ] }'

    async with house.client() as client:
        answer = await client.post(CHAT, content=body)

    assert answer.headers["x-guard-verdict"] == "unjudged"
    assert house.upstream.sent[0].body == body
    assert house.scorer.asked == []
    assert house.metric("guard_requests_total", route=CHAT, policy="balanced", mode="off", action="forward") == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "request_invalid"),
        (b"not json", "request_invalid"),
        (b"[]", "request_invalid"),
        (b'{"model":"m"}', "request_invalid"),
        (b'{"messages":[{"role":"user","content":"a","content":"b"}]}', "request_invalid"),
        (b'{"messages":[{"role":"user","content":"\\ud800"}]}', "request_invalid"),
        (b'{"messages":[{"role":"user","content":[{"type":"hologram","x":1}]}]}', "unknown_part"),
    ],
    ids=["empty", "no JSON", "list", "no messages", "duplicate key", "lone surrogate", "unknown part"],
)
async def test_what_cannot_be_read_is_400_and_never_sent(build: Builder, body: bytes, code: str) -> None:
    house = build()

    async with house.client() as client:
        answer = await client.post(CHAT, content=body)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    assert answer.headers["x-guard-action"] == "block"
    assert house.upstream.sent == []
    assert house.metric("guard_rejected_total", reason=code) == 1


async def test_compressed_body_is_judged_and_sent_plain(build: Builder) -> None:
    house = build()
    headers = {"content-encoding": "gzip"}

    async with house.client() as client:
        safe = await client.post(CHAT, content=gzip.compress(orjson.dumps(chat(SAFE))), headers=headers)
        unsafe = await client.post(CHAT, content=gzip.compress(orjson.dumps(chat(UNSAFE))), headers=headers)

    assert (safe.status_code, unsafe.status_code) == (200, 400)
    (sent,) = house.upstream.sent
    assert "content-encoding" not in sent.headers
    assert orjson.loads(sent.body) == chat(SAFE)


async def test_body_in_an_encoding_that_guard_does_not_read_is_415(build: Builder) -> None:
    house = build()

    async with house.client() as client:
        answer = await client.post(CHAT, content=b"x", headers={"content-encoding": "br"})

    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported_encoding")


async def test_body_over_the_limit_is_413(build: Builder) -> None:
    house = build(limits={"max_body_bytes": 100})

    async with house.client() as client:
        answer = await client.post(CHAT, json=chat("x" * 200))

    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")


async def test_body_counts_with_its_inflated_size_while_it_is_judged(build: Builder) -> None:
    house = build(scorer=FixedScorer(hang=True), limits={"max_body_bytes": 2000, "max_buffered_bytes": 2000})
    compressed = gzip.compress(orjson.dumps(chat("x" * 1800)))
    assert len(compressed) < 200

    async with house.client() as client:
        first = asyncio.create_task(client.post(CHAT, content=compressed, headers={"content-encoding": "gzip"}))
        await until(lambda: house.metric("guard_cache_requests_total", result="miss") == 1)
        second = await client.post(CHAT, json=chat("y" * 200))
        first.cancel()

    assert (second.status_code, second.json()["error"]["code"]) == (503, "overloaded")


async def test_body_that_outgrows_all_room_by_its_fetched_pictures_is_never_sent(build: Builder) -> None:
    url = "https://known.example/a.bmp"
    picture = io.BytesIO()
    Image.new("RGB", (64, 64)).save(picture, "BMP")
    limits = {"max_body_bytes": 2000, "max_buffered_bytes": 2000}
    house = build(pictures={url: picture.getvalue()}, limits=limits)

    async with house.client() as client:
        answer = await client.post(CHAT, json=_with_picture(SAFE, url))
        after = await client.post(CHAT, json=chat("x" * 1800))

    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "overloaded")
    assert after.status_code == 200
    assert len(house.upstream.sent) == 1


async def test_requests_beyond_the_permits_are_503_with_retry_after(build: Builder) -> None:
    house = build(
        scorer=FixedScorer(hang=True),
        limits={"max_inflight": 1, "admission_timeout_s": 0.05, "score_timeout_s": 0.5},
    )

    async with house.client() as client:
        first = asyncio.create_task(client.post(CHAT, json=chat(SAFE)))
        await until(lambda: bool(house.scorer.asked))
        second = await client.post(CHAT, json=chat("another"))
        await first

    assert (second.status_code, second.json()["error"]["code"]) == (503, "overloaded")
    assert int(second.headers["retry-after"]) >= 1
    assert house.metric("guard_rejected_total", reason="overloaded") == 1


async def test_requests_beyond_the_permits_pass_in_shadow_mode_unjudged(build: Builder) -> None:
    house = build(
        mode="shadow",
        scorer=FixedScorer(hang=True),
        limits={"max_inflight": 1, "admission_timeout_s": 0.05, "score_timeout_s": 0.5},
    )

    async with house.client() as client:
        first = asyncio.create_task(client.post(CHAT, json=chat(SAFE)))
        await until(lambda: bool(house.scorer.asked))
        second = await client.post(CHAT, json=chat("another"))
        await first

    assert (second.status_code, second.headers["x-guard-verdict"]) == (200, "unjudged")
    assert len(house.upstream.sent) == 2


async def test_azure_form_is_judged_and_forwarded_with_its_query(build: Builder) -> None:
    house = build()
    path = "/openai/deployments/gpt/chat/completions"

    async with house.client() as client:
        refused = await client.post(f"{path}?api-version=1", json=chat(UNSAFE))
        passed = await client.post(f"{path}?api-version=1", json=chat(SAFE))

    assert (refused.status_code, passed.status_code) == (400, 200)
    (sent,) = house.upstream.sent
    assert (sent.path, sent.query) == (path, "api-version=1")


async def test_every_answered_request_is_counted_by_route_and_action(build: Builder) -> None:
    house = build()

    async with house.client() as client:
        await client.post(CHAT, json=chat(SAFE))
        await client.post(CHAT, json=chat(UNSAFE))
        await client.post(CHAT, content=b"x")

    counted = {
        action: house.metric("guard_requests_total", route=CHAT, policy="balanced", mode="enforce", action=action)
        for action in ("allow", "block", "reject")
    }
    assert counted == {"allow": 1, "block": 1, "reject": 1}
    assert house.metric("guard_added_latency_seconds_count", route=CHAT) == 3
    assert house.metric("guard_inflight_requests") == 0


async def test_repeat_is_answered_from_the_cache_and_says_so(build: Builder) -> None:
    house = build()

    async with house.client() as client:
        first = await client.post(CHAT, json=chat(UNSAFE))
        second = await client.post(CHAT, json=chat(UNSAFE))

    assert (first.json()["guard"]["cached"], second.json()["guard"]["cached"]) == (False, True)
    assert first.json()["guard"]["id"] != second.json()["guard"]["id"]
    assert house.metric("guard_cache_requests_total", result="hit") == 1

"""Chat requests in every mode, bodies that are odd, large or too many, and what is counted of them."""

import asyncio
import base64
import gzip
import io
from typing import Any

import orjson
import pytest
from PIL import Image

from tests.fakes import FixedScorer
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
        limits={"max_inflight": 1, "admission_timeout_s": 0.05, "score_timeout_s": 60},
    )

    async with house.client() as client:
        first = asyncio.create_task(client.post(CHAT, json=chat(SAFE)))
        await until(lambda: bool(house.scorer.asked))
        second = await client.post(CHAT, json=chat("another"))
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)

    assert (second.status_code, second.json()["error"]["code"]) == (503, "overloaded")
    assert int(second.headers["retry-after"]) >= 1
    assert house.metric("guard_rejected_total", reason="overloaded") == 1


async def test_requests_beyond_the_permits_pass_in_shadow_mode_unjudged(build: Builder) -> None:
    house = build(
        mode="shadow",
        scorer=FixedScorer(hang=True),
        limits={"max_inflight": 1, "admission_timeout_s": 0.05, "score_timeout_s": 60},
    )

    async with house.client() as client:
        first = asyncio.create_task(client.post(CHAT, json=chat(SAFE)))
        await until(lambda: bool(house.scorer.asked))
        second = await client.post(CHAT, json=chat("another"))
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)

    assert (second.status_code, second.headers["x-guard-verdict"]) == (200, "unjudged")
    assert len(house.upstream.sent) == 1


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

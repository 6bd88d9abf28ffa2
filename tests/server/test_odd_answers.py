"""Answers that cannot be read, break off, or are of another kind: what of them is judged, and what the client gets."""

import gzip
import json
from typing import Any

import pytest

from tests.answers.streams import STREAMS, documents, shown_text
from tests.fakes import FakeUpstream, FixedScorer
from tests.server.answers import CALM, SMALL, VILE, answer, ask, streaming, whole
from tests.server.house import Builder


@pytest.mark.parametrize(
    ("upstream", "is_stream"),
    [
        (whole(b"no JSON at all"), False),
        (whole(b'{"a":' * 2000), False),
        (whole(b"\x1f\x8b cut short", **{"content-encoding": "gzip"}), False),
        (whole(b"{}", **{"content-encoding": "br"}), False),
        (streaming([b"data: no JSON\n\n"]), True),
        (streaming([b'data: {"a":1,"a":2}', b"  x\n\n"]), True),
        (FakeUpstream(headers={"content-type": "text/event-stream", "content-encoding": "gzip"}, body=(b"x",)), True),
    ],
    ids=["no JSON", "too deep", "broken gzip", "brotli", "event without JSON", "half an event", "compressed stream"],
)
async def test_answer_that_cannot_be_read_is_unjudged(build: Builder, upstream: FakeUpstream, is_stream: bool) -> None:
    closed = build(upstream=upstream, judge_output=True)
    open_ = build(upstream=upstream, judge_output=True, policy={"on_unjudged": "allow"})

    blocked = await ask(closed, stream=is_stream)
    passed = await ask(open_, stream=is_stream)

    assert "answer_unreadable" in blocked.text
    assert passed.status_code == 200
    assert "answer_unreadable" not in passed.text
    assert closed.metric("guard_unjudged_parts_total", code="answer_unreadable") == 1


async def test_compressed_document_is_judged(build: Builder) -> None:
    body = gzip.compress(json.dumps(answer("chat", "a bomb")).encode())
    house = build(upstream=whole(body, **{"content-encoding": "gzip"}), judge_output=True)

    assert (await ask(house)).status_code == 400
    assert house.upstream.sent[0].headers["accept-encoding"] == "identity"


async def test_answer_too_large_to_be_read_is_unjudged(build: Builder) -> None:
    document = answer("chat", "word " * 1000)
    closed = build(upstream=whole(document), judge_output={"enabled": True, "max_bytes": 1000})
    shadow = build(upstream=whole(document), judge_output={"enabled": True, "max_bytes": 1000}, mode="shadow")

    assert "answer_unreadable" in (await ask(closed)).text
    assert (await ask(shadow)).content == json.dumps(document).encode()


async def test_key_that_comes_twice_is_sent_once(build: Builder) -> None:
    event = b'data: {"choices":[{"index":0,"delta":{"content":"bomb","content":"cat"}}]}\n\n'
    house = build(upstream=streaming([event]), judge_output=SMALL)

    got = await ask(house, stream=True)

    assert got.content == b'data: {"choices":[{"index":0,"delta":{"content":"cat"}}]}\n\n'


async def test_long_numbers_survive(build: Builder) -> None:
    event = b'data: {"choices":[{"index":0,"delta":{"content":"cat"},"logprob":-0.12345678901234567890}]}\n\n'
    house = build(upstream=streaming([event]), judge_output=SMALL)

    assert (await ask(house, stream=True)).content == event


async def test_failed_scorer_ends_a_stream_with_an_error_and_no_clean_end(build: Builder) -> None:
    scorer = FixedScorer()
    house = build(scorer=scorer, upstream=streaming(STREAMS["chat"](CALM), delay_s=0.01), judge_output=SMALL)
    rule = scorer.rule

    def fails_later(pair: Any) -> Any:
        if "slept" in pair.text:
            raise RuntimeError("out of memory")
        return rule(pair)

    scorer.rule = fails_later

    got = await ask(house, stream=True)

    assert not got.extensions["ends"]
    assert '"code":"guard_unavailable"' in got.text
    assert "[DONE]" not in got.text
    assert "slept" not in got.text


async def test_shadow_mode_shows_all_and_counts_what_would_have_been_refused(build: Builder) -> None:
    events = STREAMS["chat"](VILE)
    house = build(upstream=streaming(events), judge_output=SMALL, mode="shadow")

    got = await ask(house, stream=True)

    assert documents(got.content) == documents(b"".join(events))
    labels = {"direction": "output", "verdict": "unsafe", "intended": "block", "action": "allow"}
    assert house.metric("guard_decisions_total", **labels, basis="score", cause="text", policy="balanced") >= 1


async def test_answers_have_their_own_threshold(build: Builder) -> None:
    house = build(upstream=whole(answer("chat", "a bomb")), judge_output={"enabled": True, "threshold": 0.999})

    got = await ask(house)

    assert got.status_code == 200
    assert (await ask(house, messages=[{"role": "user", "content": "a bomb"}])).status_code == 400


async def test_errors_of_the_api_pass_as_they_are(build: Builder) -> None:
    upstream = whole({"error": {"message": "no bomb model"}})
    upstream.status = 429

    got = await ask(build(upstream=upstream, judge_output=True))

    assert (got.status_code, got.json()) == (429, {"error": {"message": "no bomb model"}})


async def test_stream_that_breaks_off_shows_nothing_unjudged(build: Builder) -> None:
    house = build(upstream=streaming([*STREAMS["chat"](VILE)[:10]], breaks=True), judge_output=SMALL)

    got = await ask(house, stream=True)

    assert "upstream_broken" in got.text
    assert "bo" not in shown_text("chat", got.content.split(b'data: {"error')[0])


async def test_comments_keep_the_connection_alive_and_carry_nothing(build: Builder) -> None:
    house = build(upstream=streaming([b": how to make a bomb\n\n", *STREAMS["chat"](CALM)]), judge_output=SMALL)

    assert (await ask(house, stream=True)).content.startswith(b":\n\ndata: ")


async def test_answers_are_not_read_unless_asked_for(build: Builder) -> None:
    house = build(upstream=whole(answer("chat", "a bomb")))

    assert (await ask(house)).status_code == 200

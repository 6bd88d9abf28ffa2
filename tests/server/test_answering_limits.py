"""Judged answers under load: permits for each look, bytes in memory that are counted, and no word that is not true."""

import asyncio
import json
from typing import Any

import pytest

from guard.errors import Overloaded
from guard.server.admission import Admission
from guard.server.passing import Held
from tests.answers.streams import STREAMS, documents
from tests.fakes import FixedScorer
from tests.server.answers import CALM, SMALL, answer, ask, streaming, whole
from tests.server.house import Builder


class Watched(FixedScorer):
    """A scorer that knows how many calls it had at once."""

    now = most = 0

    async def score(self, pairs: Any) -> Any:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.005)
        self.now -= 1
        return await super().score(pairs)


@pytest.mark.parametrize("is_stream", [False, True])
async def test_answers_are_judged_no_more_at_once_than_there_are_permits(build: Builder, is_stream: bool) -> None:
    scorer = Watched()
    upstream = streaming(STREAMS["chat"](CALM)) if is_stream else whole(answer("chat", "".join(CALM)))
    limits = {"max_inflight": 2, "admission_timeout_s": 0.02}
    house = build(scorer=scorer, upstream=upstream, judge_output=SMALL, limits=limits, cache={"verdicts": 0})

    got = await asyncio.gather(*(ask(house, stream=is_stream) for _ in range(8)))

    # A prompt that gets no permit in time is refused, an answer waits for its own.
    assert {answer.status_code for answer in got} <= {200, 503}
    assert sum("evening" in answer.text and "error" not in answer.text for answer in got) >= 2
    assert sum("overloaded" in answer.text for answer in got) == sum(answer.status_code == 503 for answer in got)
    assert scorer.most <= 2


async def test_answer_for_which_there_is_no_room_is_unjudged(build: Builder) -> None:
    document = answer("chat", "word " * 1000)
    stream = STREAMS["chat"](["word " * 1000])
    limits = {"max_body_bytes": 2000, "max_buffered_bytes": 3000}
    settings: dict[str, Any] = {"judge_output": True, "limits": limits}

    complete = await ask(build(upstream=whole(document), **settings))
    streamed = await ask(build(upstream=streaming(stream), **settings), stream=True)
    open_ = build(upstream=whole(document), policy={"on_unjudged": "allow"}, **settings)
    open_stream = build(upstream=streaming(stream), policy={"on_unjudged": "allow"}, **settings)

    assert (complete.status_code, complete.json()["error"]["code"]) == (502, "answer_unreadable")
    assert '"code":"answer_unreadable"' in streamed.text
    assert (await ask(open_)).json() == document
    assert documents((await ask(open_stream, stream=True)).content) == documents(b"".join(stream))


async def test_bytes_of_a_stream_that_were_shown_are_given_back(build: Builder) -> None:
    long = STREAMS["chat"](["all is well and good. "] * 400)
    assert sum(map(len, long)) > 20_000
    limits = {"max_body_bytes": 2000, "max_buffered_bytes": 10_000}

    got = await ask(build(upstream=streaming(long), judge_output=True, limits=limits), stream=True)

    assert documents(got.content) == documents(b"".join(long))


def test_bytes_in_memory_never_fall_below_none() -> None:
    from guard.config import LimitSettings

    admission = Admission(LimitSettings(max_body_bytes=10, max_buffered_bytes=10))
    with admission.account() as hold:
        held = Held(hold)
        held.came(8)
        held.went(100)
        held.came(10)
        with pytest.raises(Overloaded):
            held.came(1)
    with admission.account() as hold:
        hold(10)


async def test_long_answer_is_judged_in_parts_until_one_is_unsafe(build: Builder) -> None:
    scorer = FixedScorer()
    text = "how to make a bomb " + "word " * 100_000
    house = build(scorer=scorer, upstream=whole(answer("chat", text)), judge_output=True)

    got = await ask(house)

    assert (got.status_code, got.json()["guard"]["verdict"]) == (400, "unsafe")
    assert len(scorer.asked) <= 20


async def test_unsafe_end_of_a_long_answer_is_found(build: Builder) -> None:
    house = build(upstream=whole(answer("chat", "word " * 100_000 + "bomb")), judge_output=True)

    assert (await ask(house)).status_code == 400


@pytest.mark.parametrize("mode", ["shadow", "enforce"])
async def test_head_of_a_document_tells_the_verdict_about_the_answer(build: Builder, mode: str) -> None:
    policy = {"unsafe_action": "flag"} if mode == "enforce" else {}
    house = build(upstream=whole(answer("chat", "a bomb")), judge_output=True, mode=mode, policy=policy)

    got = await ask(house)

    assert got.status_code == 200
    assert got.headers["x-guard-verdict"] == "unsafe"
    assert got.headers["x-guard-action"] == ("allow" if mode == "shadow" else "flag")


async def test_client_is_not_told_to_try_again_what_the_model_has_answered(build: Builder) -> None:
    scorer = FixedScorer()
    rule = scorer.rule

    def fails_on_the_answer(pair: Any) -> Any:
        if "evening" in pair.text:
            raise RuntimeError("out of memory")
        return rule(pair)

    scorer.rule = fails_on_the_answer
    house = build(scorer=scorer, upstream=whole(answer("chat", "".join(CALM))), judge_output=True)

    got = await ask(house)

    assert (got.status_code, got.json()["error"]["code"]) == (503, "guard_unavailable")
    assert (got.headers["x-should-retry"], "retry-after" in got.headers) == ("false", False)
    assert "has answered" in got.json()["error"]["message"]
    assert "Nothing was sent on" not in got.text


async def test_part_of_an_answer_is_not_called_a_part_of_the_request(build: Builder) -> None:
    message = {"choices": [{"index": 0, "message": {"audio": {"data": "x" * 2000}}}]}

    got = await ask(build(upstream=whole(message), judge_output=True))

    error = got.json()["error"]
    assert (error["code"], error["param"], "x-should-retry" in got.headers) == ("audio_part", None, True)
    assert "this request cannot" not in error["message"]


@pytest.mark.parametrize("kind", ["response.output_text.done", "response.created"])
async def test_setting_that_nobody_judged_is_judged_where_the_answer_says_it(build: Builder, kind: str) -> None:
    words = "To_build_a_pipe_bomb_pack_gunpowder_into_a_pipe"
    event = {"type": kind, "item_id": "i", "output_index": 0, "content_index": 0, "text": words}
    house = build(upstream=streaming([f"data: {json.dumps(event)}\n\n".encode()]), judge_output=SMALL)

    got = await ask(house, "responses", stream=True, metadata={"a": words})

    assert words not in got.text


async def test_trusted_instructions_are_not_judged_where_the_answer_repeats_them(build: Builder) -> None:
    said = "never tell how to make a bomb"
    echo = {"type": "response.created", "sequence_number": 0, "response": {"id": "r", "instructions": said}}
    stream = [f"event: response.created\ndata: {json.dumps(echo)}\n\n".encode(), *STREAMS["responses"](CALM)[2:]]
    trusts = build(upstream=streaming(stream), judge_output=SMALL, policy={"judge_system": False})

    got = await ask(trusts, "responses", stream=True, instructions=said)

    assert "evening" in got.text
    assert "content_filter" not in got.text

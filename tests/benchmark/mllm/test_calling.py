"""Patience: the cache, the pace, pauses."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmark.mllm.asking import Asking, GivenUp, Reply, Request, TryAgain, Unjudgeable
from benchmark.mllm.cache import AnswerCache
from benchmark.mllm.calling import Caller
from benchmark.mllm.retry_after import seconds_of
from benchmark.mllm.target import MllmTarget
from guard import Pair
from guard.mllm.questions import Question
from tests.benchmark.mllm.askers import REQUEST, Clock, FakeAsker, make_caller


async def test_answer_is_asked_for_once_and_then_kept(tmp_path: Path) -> None:
    asker = FakeAsker(reply=Reply("No", probability=0.7, tokens_in=3, cost_usd=0.01))
    first = await make_caller(asker, Clock(), cache=tmp_path).reply(REQUEST)
    second = await make_caller(asker, Clock(), cache=tmp_path).reply(REQUEST)
    assert (asker.asked, first.is_cached, second.is_cached, second.requests) == (1, False, True, 0)
    assert second.reply == first.reply


@pytest.mark.parametrize(
    "change",
    [
        lambda request: replace(request, question=Question("Is it harmful?")),
        lambda request: replace(request, question=Question("Is it safe?", "Be careful.")),
        lambda request: replace(request, pictures=(b"another",)),
        lambda request: replace(request, pictures=()),
        lambda request: replace(request, sample=1),
    ],
)
async def test_other_content_is_asked_for_anew(change: Callable[[Request], Request], tmp_path: Path) -> None:
    asker = FakeAsker()
    caller = make_caller(asker, Clock(), cache=tmp_path)
    await caller.reply(REQUEST)
    assert not (await caller.reply(change(REQUEST))).is_cached
    assert asker.asked == 2


async def test_other_decoding_or_model_is_asked_anew(tmp_path: Path) -> None:
    for model, seed in (("fake", 0.0), ("other", 0.0), ("fake", 1.0)):
        asker = FakeAsker()
        asker.facts = {"model": model, "seed": seed}
        assert not (await make_caller(asker, Clock(), cache=tmp_path).reply(REQUEST)).is_cached


async def test_cache_holds_no_question_and_is_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "answers"
    await make_caller(FakeAsker(), Clock(), cache=folder).reply(REQUEST)
    (file,) = [path for path in folder.rglob("*") if path.is_file()]
    assert b"safe?" not in file.read_bytes()
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format": 99, "text": "Yes"}', b'{"format": 2, "odd": 1}'])
def test_damaged_entry_of_the_cache_is_asked_anew(content: bytes, tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path)
    digest = REQUEST.digest({})
    cache.put(digest, Reply("Yes"))
    (tmp_path / digest[:2] / f"{digest}.json").write_bytes(content)
    assert cache.get(digest) is None


async def test_failed_request_is_tried_again_after_growing_pauses() -> None:
    clock, asker = Clock(), FakeAsker(TryAgain("http_500"), TryAgain("http_500"), TryAgain("http_500"))
    answered = await make_caller(asker, clock).reply(REQUEST)
    assert (answered.requests, len(clock.slept)) == (4, 3)
    assert clock.slept == sorted(clock.slept)
    assert 0.5 <= clock.slept[0] <= 1
    assert 2 <= clock.slept[2] <= 4


async def test_pause_that_the_api_asks_for_is_kept_by_every_request() -> None:
    clock, asker = Clock(), FakeAsker(TryAgain("http_429", after_s=30))
    caller = make_caller(asker, clock)
    await caller.reply(REQUEST)
    assert clock.now == 30
    caller._not_before = 100
    await caller.reply(replace(REQUEST, sample=1))
    assert clock.now == 100


@pytest.mark.parametrize(("pace", "apart_s"), [(None, 0.25), (30, 2.0)])
async def test_requests_that_a_pause_held_back_come_one_after_the_other(pace: float | None, apart_s: float) -> None:
    turns: list[float] = []

    async def sleep(seconds: float) -> None:
        turns.append(seconds)

    caller = Caller(FakeAsker(), replace(Asking(), requests_per_minute=pace), sleep=sleep, clock=lambda: 0.0)
    caller._not_before = 30
    await asyncio.gather(*(caller.reply(replace(REQUEST, sample=sample)) for sample in range(4)))
    assert turns == [30 + apart_s * place for place in range(4)]


async def test_request_that_fails_every_time_is_given_up_with_the_last_reason() -> None:
    asker = FakeAsker(*[TryAgain("http_429", after_s=1)] * 3)
    with pytest.raises(GivenUp) as caught:
        await make_caller(asker, Clock(), attempts=3).reply(REQUEST)
    assert (caught.value.code, asker.asked) == ("http_429", 3)


async def test_content_that_cannot_be_judged_is_not_asked_about_twice() -> None:
    asker = FakeAsker(Unjudgeable("no_picture"))
    with pytest.raises(Unjudgeable):
        await make_caller(asker, Clock()).reply(REQUEST)
    assert asker.asked == 1


async def test_failures_are_never_kept(tmp_path: Path) -> None:
    with pytest.raises(GivenUp):
        await make_caller(FakeAsker(TryAgain("http_500")), Clock(), attempts=1, cache=tmp_path).reply(REQUEST)
    assert not (await make_caller(FakeAsker(), Clock(), cache=tmp_path).reply(REQUEST)).is_cached


async def test_requests_keep_to_the_pace() -> None:
    clock, asker = Clock(), FakeAsker()
    caller = make_caller(asker, clock, requests_per_minute=30)
    for sample in range(4):
        await caller.reply(replace(REQUEST, sample=sample))
    assert clock.now == pytest.approx(6.0)


@pytest.mark.parametrize(("failure", "asked"), [(TryAgain("http_500"), 3), (GivenUp("http_400"), 1)])
async def test_row_that_failed_says_how_often_it_was_asked(failure: Exception, asked: int) -> None:
    asker = FakeAsker(*[failure] * 9)
    target = MllmTarget("fake", asker, Asking(), make_caller(asker, Clock(), attempts=3))
    judgement = await target.judge(Pair("Is it safe?"))
    assert (judgement.failed, judgement.requests) == (True, asked)


@pytest.mark.parametrize("after_s", [0.0, 0.01])
async def test_api_that_asks_for_no_pause_is_left_alone_for_the_growing_one(after_s: float) -> None:
    clock, asker = Clock(), FakeAsker(*[TryAgain("http_429", after_s=after_s)] * 4)
    await make_caller(asker, clock, attempts=5).reply(REQUEST)
    assert asker.asked == 5
    assert clock.now >= 0.5 + 1 + 2 + 4


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("30", 30.0),
        ("-5", 0.0),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("", None),
        (None, None),
        ("Sat, 21 Nov 2026 10:00:30 GMT", 30.0),
        ("Sat, 21 Nov 2026 09:00:00 GMT", 0.0),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(said: str | None, seconds: float | None) -> None:
    assert seconds_of(said, datetime(2026, 11, 21, 10, tzinfo=UTC)) == seconds

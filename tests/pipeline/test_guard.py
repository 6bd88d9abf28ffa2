import asyncio
import logging
import threading
import time
from base64 import b64encode
from dataclasses import replace

import pytest

from guard.errors import OcrFailed, ScorerFailed, TextTooLong
from guard.types import Action, Basis, Cause, Direction, ImageInput, Pair, PreparedPair, Scores, Verdict
from tests.fakes import FixedFetcher, FixedReader, FixedScorer, score_by_words
from tests.pictures import animated, solid
from tests.pipeline.guards import House, make_house

PICTURE = ImageInput(data=solid("red"))
BROKEN = ImageInput(data=b"not a picture")
WRITES = 1.0
SHORT = {"score_timeout_s": 0.4, "admission_timeout_s": 0.01}


@pytest.fixture
def house() -> House:
    return make_house()


async def test_harmless_pair_is_allowed_and_harmful_pair_blocked(house: House) -> None:
    safe = await house.guard.check(Pair("hello", (PICTURE,)))
    unsafe = await house.guard.check(Pair("a bomb", (PICTURE,)))

    assert (safe.verdict, safe.action, safe.basis) == (Verdict.SAFE, Action.ALLOW, Basis.SCORE)
    assert (unsafe.verdict, unsafe.action, unsafe.cause) == (Verdict.UNSAFE, Action.BLOCK, Cause.TEXT)
    assert safe.id != unsafe.id


async def test_text_is_normalised_before_it_is_scored(house: House) -> None:
    assert (await house.guard.check(Pair("a b\u200bо" + "mb"))).verdict is Verdict.UNSAFE


async def test_picture_in_base64_is_judged_like_its_bytes(house: House) -> None:
    encoded = ImageInput(encoded=b64encode(solid("red")).decode())

    plain, coded = await house.guard.assess(Pair("x", (PICTURE,))), await house.guard.assess(Pair("x", (encoded,)))

    assert plain.images == coded.images
    assert len(house.scorer.asked[1].frames) == 1


async def test_every_frame_reaches_the_scorer(house: House) -> None:
    await house.guard.check(Pair("x", (PICTURE, ImageInput(data=animated(["red", "lime"], "GIF")))))

    assert len(house.scorer.asked[0].frames) == 3


# What could not be judged


@pytest.mark.parametrize(
    ("image", "code"),
    [
        (BROKEN, "image_rejected"),
        (ImageInput(encoded="@@@@"), "image_rejected"),
        (ImageInput(failure="image_unreachable"), "image_unreachable"),
        (ImageInput(url="https://x.test/gone.png"), "image_unreachable"),
        (ImageInput(data=animated(["red", "lime"] * 5, "GIF")), "image_rejected"),
    ],
)
async def test_picture_that_cannot_be_judged_blocks_and_is_counted_by_reason(
    house: House, image: ImageInput, code: str
) -> None:
    decision = await house.guard.check(Pair("hello", (image, PICTURE)))

    assert (decision.verdict, decision.action, decision.basis) == (Verdict.UNJUDGED, Action.BLOCK, Basis.ERROR_POLICY)
    assert decision.code == code
    assert [(result.judged, result.reason) for result in decision.images] == [(False, code), (True, None)]
    assert house.images() == {("unjudged", code): 1, ("judged", "none"): 1}


async def test_picture_that_cannot_be_judged_passes_where_policy_allows_it() -> None:
    house = make_house({"policy": {"on_unjudged": "allow"}})

    decision = await house.guard.check(Pair("hello", (BROKEN,)))

    assert (decision.verdict, decision.action, decision.basis) == (Verdict.UNJUDGED, Action.ALLOW, Basis.ERROR_POLICY)
    assert house.images() == {("unjudged", "image_rejected"): 1}


async def test_harmful_text_beside_a_broken_picture_is_unsafe_even_where_unjudged_passes() -> None:
    house = make_house({"policy": {"on_unjudged": "allow"}})

    decision = await house.guard.check(Pair("a bomb", (BROKEN,)))

    assert (decision.verdict, decision.action) == (Verdict.UNSAFE, Action.BLOCK)


async def test_unseen_part_is_unjudged_by_its_code(house: House) -> None:
    decision = await house.guard.check(Pair("hello", unjudged=("audio_part",)))

    assert (decision.verdict, decision.action, decision.code) == (Verdict.UNJUDGED, Action.BLOCK, "audio_part")
    assert decision.probability is not None
    assert house.metric("guard_unjudged_parts_total", code="audio_part") == 1


async def test_picture_beyond_the_number_allowed_is_unjudged() -> None:
    house = make_house({"images": {"max_per_request": 1}})

    decision = await house.guard.check(Pair("hello", (PICTURE, PICTURE)))

    assert [result.judged for result in decision.images] == [True, False]
    assert decision.verdict is Verdict.UNJUDGED


async def test_text_beyond_the_windows_is_unjudged(house: House) -> None:
    house.scorer.failure = TextTooLong("9 windows")

    decision = await house.guard.check(Pair("hello"))

    assert (decision.verdict, decision.code) == (Verdict.UNJUDGED, "text_too_long")
    assert house.metric("guard_unjudged_parts_total", code="text_too_long") == 1
    assert house.metric("guard_errors_total", stage="score", code="text_too_long", action="block") == 0


async def test_far_too_long_text_is_unjudged_before_any_work(house: House) -> None:
    decision = await house.guard.check(Pair("x" * 30_000_000))

    assert (decision.verdict, decision.code) == (Verdict.UNJUDGED, "text_too_long")
    assert house.scorer.asked == []


@pytest.mark.parametrize("text", ["\ue042\ue04f\ue04d\ue042", "\u200b\U000e0152\U000e015f", "hello \ue042\ue04f\ue04d"])
async def test_text_that_nobody_can_read_is_unjudged_and_counted(house: House, text: str) -> None:
    decision = await house.guard.check(Pair(text))

    assert (decision.action, decision.verdict, decision.code) == (Action.BLOCK, Verdict.UNJUDGED, "text_unreadable")
    assert house.metric("guard_unjudged_parts_total", code="text_unreadable") == 1


async def test_harmful_words_beside_unreadable_ones_are_unsafe(house: House) -> None:
    decision = await house.guard.check(Pair("a bomb \ue042\ue04f\ue04d\ue042"))

    assert decision.verdict is Verdict.UNSAFE


async def test_long_text_is_normalised_like_a_short_one(house: House) -> None:
    assert (await house.guard.check(Pair("hello " * 5_000 + "b\u200bomb"))).verdict is Verdict.UNSAFE


@pytest.mark.parametrize("pair", [Pair(""), Pair(" \u200b\n")])
async def test_pair_with_nothing_in_it_is_allowed_by_rule_and_never_scored(house: House, pair: Pair) -> None:
    decision = await house.guard.check(pair)

    assert (decision.verdict, decision.action, decision.basis) == (Verdict.SAFE, Action.ALLOW, Basis.ALLOW_LIST)
    assert house.scorer.asked == []


async def test_broken_picture_alone_is_not_nothing(house: House) -> None:
    decision = await house.guard.check(Pair("", (BROKEN,)))

    assert (decision.verdict, decision.action) == (Verdict.UNJUDGED, Action.BLOCK)


# When Guard itself fails


@pytest.mark.parametrize("failure", [ScorerFailed("x"), RuntimeError("quotes the prompt"), MemoryError()])
@pytest.mark.parametrize("on_error", ["block", "allow"])
async def test_scorer_that_breaks_follows_on_error_and_is_counted(
    failure: Exception, on_error: str, caplog: pytest.LogCaptureFixture
) -> None:
    house = make_house({"policy": {"on_error": on_error}}, scorer=FixedScorer(failure=failure))

    with caplog.at_level(logging.DEBUG):
        decision = await house.guard.check(Pair("hello"))

    assert (decision.verdict, decision.basis) == (Verdict.UNJUDGED, Basis.ERROR_POLICY)
    assert (decision.action.value, decision.code) == (on_error, "scorer_failed")
    assert house.metric("guard_errors_total", stage="score", code="scorer_failed", action=on_error) == 1
    assert "quotes" not in caplog.text


async def test_scorer_that_breaks_lets_no_unjudged_part_through() -> None:
    policy = {"on_error": "allow", "on_unjudged": "block"}
    house = make_house({"policy": policy}, scorer=FixedScorer(failure=ScorerFailed("broken")))

    decision = await house.guard.check(Pair("hello", unjudged=("audio_part",)))

    assert (decision.action, decision.basis) == (Action.BLOCK, Basis.ERROR_POLICY)


async def test_scorer_that_hangs_times_out() -> None:
    house = make_house({"limits": {"score_timeout_s": 0.4, "admission_timeout_s": 0.01}}, scorer=FixedScorer(hang=True))

    decision = await house.guard.check(Pair("hello"))

    assert (decision.action, decision.code) == (Action.BLOCK, "scorer_timeout")


async def test_scorer_that_hung_gives_its_place_back() -> None:
    house = make_house({"limits": {"score_timeout_s": 0.4, "admission_timeout_s": 0.01}})
    house.scorer.hang = True
    await asyncio.gather(*(house.guard.check(Pair(f"hello {index}")) for index in range(4)))
    house.scorer.hang = False

    assert (await house.guard.check(Pair("hello"))).verdict is Verdict.SAFE


async def test_gate_that_breaks_fails_the_check(house: House) -> None:
    house.scorer.failure = ScorerFailed("x")

    decision = await house.guard.check(Pair("hello", (PICTURE,)))

    assert (decision.verdict, decision.code) == (Verdict.UNJUDGED, "scorer_failed")
    assert [result.reason for result in decision.images] == ["scorer_failed"]
    assert house.metric("guard_errors_total", stage="ocr", code="scorer_failed", action="block") == 1


async def test_probability_outside_its_range_is_counted_as_a_failure_of_the_decision() -> None:
    house = make_house()
    house.guard.policy = replace(house.guard.policy, to_probability=lambda score: 1.5)

    decision = await house.guard.check(Pair("hello"))

    assert (decision.action, decision.code) == (Action.BLOCK, "scorer_failed")
    assert house.metric("guard_errors_total", stage="decide", code="scorer_failed", action="block") == 1


async def test_gate_that_hangs_times_out_as_the_scorer_does() -> None:
    class Hanging(FixedScorer):
        async def text_likelihood(self, frame: object) -> float:
            await asyncio.Event().wait()
            return 0.0

    house = make_house({"limits": {"score_timeout_s": 0.4, "admission_timeout_s": 0.01}}, scorer=Hanging())

    decision = await house.guard.check(Pair("hello", (PICTURE,)))

    assert (decision.code, decision.images[0].reason) == ("scorer_timeout", "scorer_timeout")


async def test_frames_of_a_picture_share_one_deadline_of_the_gate() -> None:
    class Slow(FixedScorer):
        async def text_likelihood(self, frame: object) -> float:
            await asyncio.sleep(0.15)
            return 0.0

    house = make_house({"limits": SHORT}, scorer=Slow())
    picture = ImageInput(data=animated(["red", "lime", "blue", "white"], "GIF"))

    decision = await house.guard.check(Pair("hello", (picture,)))

    assert decision.code == "scorer_timeout"


async def test_score_count_that_does_not_fit_is_a_failed_scorer(house: House) -> None:
    async def none(pairs: object) -> list[Scores]:
        return []

    house.scorer.score = none  # type: ignore[method-assign]

    assert (await house.guard.check(Pair("hello"))).code == "scorer_failed"


# Writing in pictures


async def test_writing_joins_the_picture_and_is_normalised() -> None:
    house = make_house(scorer=FixedScorer(writing=WRITES), reader=FixedReader("a b\u200bomb"))

    decision = await house.guard.check(Pair("hello", (PICTURE,)))

    assert (decision.verdict, decision.cause) == (Verdict.UNSAFE, Cause.IMAGE)
    assert house.scorer.asked[0].ocr == ("a bomb",)
    assert decision.images[0].ocr_text_chars == 6


@pytest.mark.parametrize(("likelihood", "is_read"), [(0.49, False), (0.5, True)])
async def test_gate_of_the_bundle_decides_whether_writing_is_read(likelihood: float, is_read: bool) -> None:
    house = make_house(scorer=FixedScorer(writing=likelihood))

    await house.guard.check(Pair("hello", (PICTURE,)))

    assert bool(house.reader.read_frames) == is_read


@pytest.mark.parametrize(("mode", "likelihood", "is_read"), [("always", 0.0, True), ("off", 1.0, False)])
async def test_mode_always_and_off_ask_no_gate(mode: str, likelihood: float, is_read: bool) -> None:
    house = make_house({"ocr": {"mode": mode}}, scorer=FixedScorer(writing=likelihood))

    await house.guard.check(Pair("hello", (PICTURE,)))

    assert bool(house.reader.read_frames) == is_read


async def test_own_gate_replaces_the_bundles() -> None:
    house = make_house({"ocr": {"gate": 0.1}}, scorer=FixedScorer(writing=0.2))

    await house.guard.check(Pair("hello", (PICTURE,)))

    assert house.reader.read_frames


async def test_writing_that_cannot_be_read_makes_the_picture_unjudged_and_its_pixels_still_count() -> None:
    house = make_house(scorer=FixedScorer(writing=WRITES), reader=FixedReader(failure=OcrFailed("x")))

    decision = await house.guard.check(Pair("hello", (PICTURE,)))

    assert (decision.verdict, decision.code) == (Verdict.UNJUDGED, "ocr_failed")
    assert len(house.scorer.asked[0].frames) == 1
    assert house.images() == {("unjudged", "ocr_failed"): 1}


async def test_writing_beyond_its_limit_is_unjudged_and_what_fits_is_judged() -> None:
    house = make_house(
        {"ocr": {"max_chars": 8}}, scorer=FixedScorer(writing=WRITES), reader=FixedReader("a cat and more")
    )

    decision = await house.guard.check(Pair("hello", (PICTURE,)))

    assert (decision.verdict, decision.code) == (Verdict.UNJUDGED, "text_too_long")
    assert house.scorer.asked[0].ocr == ("a cat an",)


@pytest.mark.parametrize(("on_error", "on_unjudged"), [("block", "allow"), ("allow", "block")])
async def test_picture_that_waits_too_long_to_be_read_is_guards_fault(on_error: str, on_unjudged: str) -> None:
    class Hanging(FixedReader):
        async def read(self, frame: object) -> str:
            await asyncio.Event().wait()
            return ""

    house = make_house(
        {"limits": SHORT, "policy": {"on_error": on_error, "on_unjudged": on_unjudged}},
        scorer=FixedScorer(writing=WRITES),
        reader=Hanging(),
    )

    decision = await house.guard.check(Pair("hello", (PICTURE,)))

    assert (decision.action.value, decision.code) == (on_error, "preparation_timeout")
    assert house.metric("guard_errors_total", stage="ocr", code="preparation_timeout", action=on_error) == 1
    assert house.images() == {("unjudged", "preparation_timeout"): 1}


async def test_picture_that_waits_too_long_to_be_decoded_is_guards_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = threading.Event()
    monkeypatch.setattr("guard.pipeline.decoding.decode_image", lambda data, limits: ends.wait(5))
    house = make_house({"limits": SHORT, "policy": {"on_unjudged": "allow"}})

    decision = await house.guard.check(Pair("hello", (PICTURE,)))
    ends.set()

    assert (decision.action, decision.code) == (Action.BLOCK, "preparation_timeout")
    assert house.metric("guard_errors_total", stage="decode", code="preparation_timeout", action="block") == 1


# Cache and company


async def test_equal_pair_comes_from_the_cache(house: House) -> None:
    first = await house.guard.check(Pair("hello", (PICTURE,)))
    second = await house.guard.check(Pair("hello", (PICTURE,)))

    assert (first.cached, second.cached) == (False, True)
    assert (second.probability, second.images) == (first.probability, first.images)
    assert len(house.scorer.asked) == 1
    assert house.metric("guard_cache_requests_total", result="hit") == 1
    assert house.metric("guard_cache_requests_total", result="miss") == 1


@pytest.mark.parametrize(
    "other", [Pair("hello!", (PICTURE,)), Pair("hello"), Pair("hello", (ImageInput(data=solid("blue")),))]
)
async def test_other_pair_does_not_come_from_the_cache(house: House, other: Pair) -> None:
    await house.guard.check(Pair("hello", (PICTURE,)))

    assert not (await house.guard.check(other)).cached


async def test_failures_are_not_remembered(house: House) -> None:
    house.scorer.failure = ScorerFailed("x")
    await house.guard.check(Pair("hello"))
    house.scorer.failure = None

    decision = await house.guard.check(Pair("hello"))

    assert (decision.verdict, decision.cached) == (Verdict.SAFE, False)


async def test_unjudged_pictures_are_not_remembered() -> None:
    house = make_house(fetcher=FixedFetcher())
    pair = Pair("hello", (ImageInput(url="https://x.test/a.png"),))
    before = await house.guard.check(pair)
    house.fetcher.pictures["https://x.test/a.png"] = solid("red")

    after = await house.guard.check(pair)

    assert (before.verdict, after.verdict) == (Verdict.UNJUDGED, Verdict.SAFE)


async def test_picture_behind_a_url_that_changed_is_judged_anew(house: House) -> None:
    url = "https://x.test/a.png"
    house.fetcher.pictures[url] = solid("red")
    await house.guard.check(Pair("hello", (ImageInput(url=url),)))
    house.fetcher.pictures[url] = solid("blue")

    assert not (await house.guard.check(Pair("hello", (ImageInput(url=url),)))).cached


async def test_cache_of_size_zero_judges_every_time() -> None:
    house = make_house({"cache": {"verdicts": 0}})

    await house.guard.check(Pair("hello"))

    assert not (await house.guard.check(Pair("hello"))).cached


async def test_equal_pairs_that_arrive_together_are_scored_once() -> None:
    house = make_house(scorer=FixedScorer(delay_s=0.02))

    decisions = await asyncio.gather(*(house.guard.check(Pair("hello")) for _ in range(10)))

    assert len(house.scorer.asked) == 1
    assert {decision.verdict for decision in decisions} == {Verdict.SAFE}
    assert len({decision.id for decision in decisions}) == 10


async def test_caller_that_leaves_does_not_take_the_answer_from_others() -> None:
    house = make_house(scorer=FixedScorer(delay_s=0.02))
    leaving = asyncio.create_task(house.guard.check(Pair("hello")))
    staying = asyncio.create_task(house.guard.check(Pair("hello")))
    await asyncio.sleep(0.005)
    leaving.cancel()

    assert (await staying).verdict is Verdict.SAFE
    assert leaving.cancelled() or leaving.cancelling()


async def test_work_is_dropped_when_nobody_waits_for_it_any_more() -> None:
    house = make_house(scorer=FixedScorer(hang=True))
    leaving = asyncio.create_task(house.guard.check(Pair("hello")))
    await asyncio.sleep(0.005)
    leaving.cancel()
    await asyncio.sleep(0.005)

    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


async def test_picture_of_a_turn_and_of_its_history_is_read_once() -> None:
    house = make_house(scorer=FixedScorer(writing=WRITES))
    image = ImageInput(data=solid("red"), place="messages[0].content[1]")

    await house.guard.check_all([Pair("look", (image,)), Pair("look\nagain", (image,))])

    assert len(house.reader.read_frames) == 1
    assert len(house.scorer.asked) == 2


async def test_no_more_pairs_are_scored_side_by_side_than_there_are_threads() -> None:
    running = most = 0

    class Counting(FixedScorer):
        async def score(self, pairs: object) -> list[Scores]:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.005)
            running -= 1
            return [score_by_words(PreparedPair("x"))]

    house = make_house(scorer=Counting())
    await asyncio.gather(*(house.guard.check(Pair(f"hello {index}")) for index in range(10)))

    assert most == 2


async def test_request_of_very_many_pairs_does_not_hold_up_another_one() -> None:
    house = make_house(scorer=FixedScorer(delay_s=0.002))
    long = asyncio.create_task(house.guard.check_all([Pair(f"hello {index}") for index in range(300)]))
    await asyncio.sleep(0.01)

    await house.guard.check(Pair("a short one"))

    before = [pair.text for pair in house.scorer.asked].index("a short one")
    assert before < 50
    assert not long.done()
    assert (await long).verdict is Verdict.SAFE


async def test_pairs_whose_turn_does_not_come_in_time_fail_as_a_scorer_without_an_answer() -> None:
    limits = {"score_timeout_s": 0.1, "admission_timeout_s": 0.01}
    house = make_house({"limits": limits}, scorer=FixedScorer(hang=True))

    decision = await house.guard.check_all([Pair(f"hello {index}", (PICTURE,)) for index in range(20)])

    assert (decision.action, decision.code) == (Action.BLOCK, "scorer_timeout")
    failed = {
        stage: house.metric("guard_errors_total", stage=stage, code="scorer_timeout", action="block")
        for stage in ("queue", "score")
    }
    assert failed["score"] >= 2
    assert sum(failed.values()) == 20


async def test_decoding_does_not_hold_up_the_loop() -> None:
    house = make_house()
    large = ImageInput(data=solid("red", (3000, 3000)))
    task = asyncio.create_task(house.guard.check(Pair("x", (large,))))
    threads = set()
    start = time.perf_counter()
    while not task.done():
        threads |= {thread.name for thread in threading.enumerate()}
        await asyncio.sleep(0.001)

    assert any(name.startswith("guard-decode") for name in threads)
    assert time.perf_counter() - start < 5


# Several pairs


async def test_strictest_of_several_pairs_decides_and_each_is_counted(house: House) -> None:
    decision = await house.guard.check_all([Pair("hello"), Pair("a bomb"), Pair("bye")])

    assert decision.verdict is Verdict.UNSAFE
    counted = [
        sample.value
        for metric in house.guard.telemetry.registry.collect()
        for sample in metric.samples
        if sample.name == "guard_decisions_total"
    ]
    assert sum(counted) == 3


async def test_picture_that_stands_in_two_pairs_is_counted_once(house: House) -> None:
    image = ImageInput(data=solid("red"), place="messages[0].content[1]")

    decision = await house.guard.check_all([Pair("look", (image,)), Pair("look\nagain", (image,))])

    assert house.images() == {("judged", "none"): 1}
    assert len(decision.images) == 1


async def test_no_pairs_are_nothing_to_judge(house: House) -> None:
    assert (await house.guard.check_all([])).basis is Basis.ALLOW_LIST


async def test_direction_of_the_pair_is_that_of_the_decision(house: House) -> None:
    assert (await house.guard.check(Pair("x", direction=Direction.OUTPUT))).direction is Direction.OUTPUT


# Life


async def test_shadow_mode_lets_pass_and_says_what_would_have_been() -> None:
    house = make_house({"mode": "shadow"}, scorer=FixedScorer(failure=ScorerFailed("x")))

    decision = await house.guard.check(Pair("hello"))

    assert (decision.intended, decision.action) == (Action.BLOCK, Action.ALLOW)


@pytest.mark.parametrize(("failure", "is_ready"), [(None, True), (ScorerFailed("x"), False), (ValueError("x"), False)])
async def test_readiness_asks_the_scorer(house: House, failure: Exception | None, is_ready: bool) -> None:
    house.scorer.failure = failure

    assert await house.guard.ready() is is_ready


async def test_overload_that_scores_as_fast_as_it_can_is_ready() -> None:
    house = make_house({"limits": SHORT}, scorer=FixedScorer(delay_s=0.05))
    crowd = asyncio.gather(*(house.guard.check(Pair(f"hello {index}")) for index in range(40)))
    await asyncio.sleep(0.2)

    start = time.perf_counter()
    is_ready = await house.guard.ready()

    assert (is_ready, time.perf_counter() - start < 0.05) == (True, True)
    await crowd


async def test_scorer_that_hangs_after_a_success_is_not_ready_for_long() -> None:
    house = make_house({"limits": SHORT})
    await house.guard.check(Pair("hello"))
    house.scorer.hang = True

    await asyncio.sleep(0.5)

    assert not await house.guard.ready()


async def test_scorer_that_breaks_after_a_success_is_not_ready() -> None:
    house = make_house()
    await house.guard.check(Pair("hello"))
    house.scorer.failure = ScorerFailed("x")
    await house.guard.check(Pair("hello again"))

    assert not await house.guard.ready()


async def test_fault_in_one_pair_ends_the_work_on_the_others() -> None:
    class Faulty(FixedReader):
        async def read(self, frame: object) -> str:
            raise ZeroDivisionError

    house = make_house(scorer=FixedScorer(writing=WRITES, hang=True), reader=Faulty())

    with pytest.raises(ZeroDivisionError):
        await house.guard.check_all([Pair("hello"), Pair("hello", (PICTURE,))])

    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


async def test_stages_are_timed_in_the_decision_and_in_the_metrics() -> None:
    house = make_house(scorer=FixedScorer(writing=WRITES))

    decision = await house.guard.check(Pair("hello", (PICTURE,)))

    assert list(decision.latency_ms) == ["decode", "ocr", "queue", "score", "decide"]
    for stage in decision.latency_ms:
        assert house.metric("guard_stage_seconds_count", stage=stage) == 1


def test_check_sync_gives_the_same_answer_as_check(house: House) -> None:
    decision = house.guard.check_sync(Pair("a bomb"))
    again = house.guard.check_sync(Pair("a bomb"))
    house.guard.close_sync()

    assert (decision.verdict, again.cached) == (Verdict.UNSAFE, True)
    assert house.scorer.is_closed


async def test_closing_closes_every_adapter_twice_over(house: House) -> None:
    await house.guard.aclose()
    await house.guard.aclose()

    assert house.scorer.is_closed
    assert house.reader.is_closed
    assert house.fetcher.is_closed

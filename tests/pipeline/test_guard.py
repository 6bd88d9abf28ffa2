import asyncio
from base64 import b64encode
from typing import Any

import pytest

from guard.errors import ScorerFailed
from guard.types import Action, Basis, Cause, Direction, ImageInput, Pair, Verdict
from tests.fakes import FixedReader, FixedScorer
from tests.pictures import animated, solid
from tests.pipeline.guards import House, make_house

PICTURE = ImageInput(data=solid("red"))
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


async def test_pair_on_an_allow_list_passes_and_the_rest_of_the_request_does_not(house: House) -> None:
    known = await house.guard.check(Pair("a bomb"))
    house.guard.passes = lambda decision: decision.digest == known.digest

    passed = await house.guard.check(Pair("a bomb"))
    both = await house.guard.check_all([Pair("a bomb"), Pair("a second bomb")])

    assert (passed.verdict, passed.basis) == (Verdict.UNSAFE, Basis.ALLOW_LIST)
    assert (passed.intended, passed.action) == (Action.ALLOW, Action.ALLOW)
    assert (both.action, both.also_blocked) == (Action.BLOCK, ())
    assert both.digest != known.digest


async def test_allow_list_lets_nothing_pass_that_was_not_judged() -> None:
    house = make_house(scorer=FixedScorer(failure=ScorerFailed("broken")))
    house.guard.passes = lambda decision: True

    assert (await house.guard.check(Pair("hello"))).action is Action.BLOCK


@pytest.mark.parametrize(
    "beside", [{"unjudged": ("file_id",)}, {"images": (ImageInput(failure="image_unreachable"),)}], ids=["file", "url"]
)
async def test_allow_list_lets_no_unjudged_part_pass_beside_a_text_that_it_knows(
    house: House, beside: dict[str, Any]
) -> None:
    house.guard.passes = lambda decision: True

    decision = await house.guard.check(Pair("a bomb", **beside))

    assert (decision.verdict, decision.action) == (Verdict.UNSAFE, Action.BLOCK)


async def test_picture_that_stands_in_two_pairs_is_counted_once(house: House) -> None:
    image = ImageInput(data=solid("red"), place="messages[0].content[1]")

    decision = await house.guard.check_all([Pair("look", (image,)), Pair("look\nagain", (image,))])

    assert house.images() == {("judged", "none"): 1}
    assert len(decision.images) == 1


async def test_no_pairs_are_nothing_to_judge(house: House) -> None:
    assert (await house.guard.check_all([])).basis is Basis.ALLOW_LIST


async def test_direction_of_the_pair_is_that_of_the_decision(house: House) -> None:
    assert (await house.guard.check(Pair("x", direction=Direction.OUTPUT))).direction is Direction.OUTPUT


async def test_shadow_mode_lets_pass_and_says_what_would_have_been() -> None:
    house = make_house({"mode": "shadow"}, scorer=FixedScorer(failure=ScorerFailed("x")))

    decision = await house.guard.check(Pair("hello"))

    assert (decision.intended, decision.action) == (Action.BLOCK, Action.ALLOW)


@pytest.mark.parametrize(("failure", "is_ready"), [(None, True), (ScorerFailed("x"), False), (ValueError("x"), False)])
async def test_readiness_asks_the_scorer(house: House, failure: Exception | None, is_ready: bool) -> None:
    house.scorer.failure = failure

    assert await house.guard.ready() is is_ready


async def test_overload_that_scores_as_fast_as_it_can_is_ready() -> None:
    house = make_house({"limits": {**SHORT, "score_timeout_s": 2.0}}, scorer=FixedScorer(delay_s=0.05))
    crowd = asyncio.gather(*(house.guard.check(Pair(f"hello {index}")) for index in range(400)))
    await asyncio.sleep(0.2)

    is_ready = await house.guard.ready()

    assert (is_ready, crowd.done()) == (True, False)
    crowd.cancel()
    await asyncio.gather(crowd, return_exceptions=True)


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

"""Requests that come together: work that is shared, and work that holds up nobody else."""

import asyncio
import threading

from guard.types import Action, ImageInput, Pair, PreparedPair, Scores, Verdict
from tests.fakes import FixedScorer, score_by_words
from tests.pictures import solid
from tests.pipeline.guards import make_house

PICTURE = ImageInput(data=solid("red"))
WRITES = 1.0


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
    await asyncio.gather(leaving, return_exceptions=True)
    for _ in range(100):
        await asyncio.sleep(0)

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
    limits = {"score_timeout_s": 1.0, "admission_timeout_s": 0.01}
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
    while not task.done():
        threads |= {thread.name for thread in threading.enumerate()}
        await asyncio.sleep(0.001)

    assert any(name.startswith("guard-decode") for name in threads)

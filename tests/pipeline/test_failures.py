"""When Guard itself fails."""

import asyncio
import logging
from dataclasses import replace

import pytest

from guard.errors import ScorerFailed
from guard.types import Action, Basis, ImageInput, Pair, Scores, Verdict
from tests.fakes import FixedScorer
from tests.pictures import animated, solid
from tests.pipeline.guards import House, make_house

PICTURE = ImageInput(data=solid("red"))
SHORT = {"score_timeout_s": 0.4, "admission_timeout_s": 0.01}


@pytest.fixture
def house() -> House:
    return make_house()


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
    house = make_house({"limits": {"score_timeout_s": 3.0, "admission_timeout_s": 0.01}})
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

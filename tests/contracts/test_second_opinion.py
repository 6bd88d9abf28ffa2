"""What every judge keeps, and what comes of it in the cascade: an API through litellm, a local model, a fake.

Whatever goes wrong is a `JudgeFailed` that quotes nothing, or an opinion of None; in the cascade it is a code, counted.
"""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from guard.errors import JudgeFailed, JudgeTimeout
from guard.judge_settings import JudgeSettings
from guard.ports import SecondOpinion
from guard.types import Action, Basis, Direction
from tests.pictures import solid
from tests.second_opinion.judges import FixedJudge, make_bench
from tests.second_opinion.stand_in import StandIn, judge_by_words, stand_in

# Of litellm and transformers: not Guard's to mend.
pytestmark = pytest.mark.filterwarnings("ignore")

SECRET = "a secret text"
BOTH = (Direction.INPUT, Direction.OUTPUT)


@dataclass
class Case:
    """A judge of a kind, made anew by each call of `judge`; `break_` makes it fail from then on."""

    judge: Callable[[], SecondOpinion]
    break_: Callable[[SecondOpinion], None]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.mllm.tiny_folders import make_folder

    return make_folder("llava", tmp_path_factory.mktemp("models") / "llava")


@pytest.fixture(params=["litellm", "vlm", "fake"])
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    if request.param == "fake":

        def fail(judge: Any) -> None:
            judge.failure = JudgeFailed("down")

        yield Case(FixedJudge, fail)
    elif request.param == "vlm":
        from guard.second_opinion.local import LocalJudge

        def run_out_of_memory(*_asked: object, **_more: object) -> None:
            raise RuntimeError(f"out of memory at {SECRET}")

        def empty(judge: Any) -> None:
            judge._model.answer = run_out_of_memory

        model: Path = request.getfixturevalue("model")
        yield Case(lambda: LocalJudge(_settings(vlm=str(model))), empty)
    else:
        with stand_in() as api:
            yield Case(lambda: _through_litellm(api), lambda _judge: setattr(api, "status", 500))


def _settings(**said: Any) -> JudgeSettings:
    return JudgeSettings.model_validate({"band": {"allow": 0.3, "block": 0.7}, **said})


def _through_litellm(api: StandIn, **said: Any) -> SecondOpinion:
    from guard.second_opinion.through_litellm import LitellmJudge

    return LitellmJudge(_settings(model="openai/gpt-4o-mini", url=api.url, **said), "sk-judge")


async def test_pair_gets_an_opinion_and_its_price_in_both_directions(case: Case) -> None:
    judge = case.judge()
    for direction in BOTH:
        for pictures in ((), (solid("red"),)):
            opinion = await judge.ask("taste it", pictures, direction)
            assert opinion.is_unsafe in {True, False, None}
            assert opinion.dollars is not None
            assert opinion.dollars >= 0
    await judge.close()


async def test_calls_side_by_side_get_the_opinions_that_they_get_alone(case: Case) -> None:
    judge = case.judge()
    texts = [f"hurt number {number}" if number % 2 else f"bake number {number}" for number in range(6)]
    alone = [(await judge.ask(text, ())).is_unsafe for text in texts]
    together = await asyncio.gather(*(judge.ask(text, ()) for text in texts))
    assert [opinion.is_unsafe for opinion in together] == alone
    await judge.close()


async def test_failure_is_one_that_is_known_and_quotes_nothing(case: Case) -> None:
    judge = case.judge()
    case.break_(judge)
    for direction in BOTH:
        with pytest.raises(JudgeFailed) as failed:
            await judge.ask(SECRET, (), direction)
        assert SECRET not in str(failed.value)
    await judge.close()


async def test_call_that_is_given_up_leaves_the_judge_to_others(case: Case) -> None:
    judge = case.judge()
    asking = asyncio.ensure_future(judge.ask("taste it", ()))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert (await judge.ask("taste it", ())).is_unsafe in {True, False, None}
    await judge.close()


async def test_closing_twice_is_closing_once(case: Case) -> None:
    judge = case.judge()
    await judge.close()
    await judge.close()


async def test_failing_judge_in_a_cascade_is_a_code_that_is_counted_and_then_left_alone(case: Case) -> None:
    judge: Any = case.judge()
    case.break_(judge)
    bench = make_bench(judge, on_unavailable="block", failures=2, timeout_s=60)
    decisions = [(await bench.decide((f"{SECRET} {number}", 0.4)))[0] for number in range(4)]
    assert [one.code for one in decisions] == ["judge_failed", "judge_failed", "judge_paused", "judge_paused"]
    assert {one.basis for one in decisions} == {Basis.ERROR_POLICY}
    assert {one.intended for one in decisions} == {Action.BLOCK}
    assert (bench.count("judge_failed"), bench.count("judge_paused")) == (2, 2)
    await bench.cascade.close()


def _half_an_object(body: dict[str, Any]) -> str:
    return judge_by_words(body)[:-12]


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"say": _half_an_object}, "judge_undecided"),
        ({"say": lambda body: "It is safe, I think."}, "judge_undecided"),
        ({"say": lambda body: "I'm sorry, but I can't help with that."}, "judge_undecided"),
        ({"say": lambda body: ""}, "judge_undecided"),
        ({"reason": "content_filter"}, "judge_undecided"),
        ({"reason": "length"}, "judge_undecided"),
        ({"status": 429}, "judge_failed"),
        ({"status": 503}, "judge_failed"),
        ({"body": b'{"choices": [{"message": {"con'}, "judge_failed"),
        ({"body": b"[]"}, "judge_failed"),
        ({"is_cut": True}, "judge_failed"),
    ],
    ids=[
        "half",
        "prose",
        "refusal",
        "empty",
        "filtered",
        "cut short",
        "429",
        "503",
        "half a body",
        "a list",
        "dropped",
    ],
)
async def test_api_that_gives_no_verdict_is_a_code_in_both_directions(said: dict[str, Any], code: str) -> None:
    with stand_in(**said) as api:
        judge: Any = _through_litellm(api)
        bench = make_bench(judge, on_unavailable="block", answers=True, failures=9, timeout_s=60)
        for direction in BOTH:
            (decision,) = await bench.decide((SECRET, 0.4), direction=direction)
            assert (decision.code, decision.intended) == (code, Action.BLOCK)
        assert bench.count(code) == 2
        assert len(api.bodies) == 2  # each was asked once
        await bench.cascade.close()


async def test_api_that_hangs_is_waited_for_as_long_as_the_settings_say() -> None:
    with stand_in(gate=threading.Event()) as api:
        judge = _through_litellm(api, timeout_s=0.3)
        with pytest.raises(JudgeTimeout):
            await judge.ask(SECRET, ())
        await judge.close()


async def test_api_is_told_whether_it_reads_a_prompt_or_an_answer() -> None:
    with stand_in() as api:
        judge = _through_litellm(api)
        for direction in BOTH:
            await judge.ask("taste it", (), direction)
        await judge.close()
    prompts = [json.dumps(body["messages"][0]["content"]) for body in api.bodies]
    assert ["an answer that an AI assistant wrote" in prompt for prompt in prompts] == [False, True]

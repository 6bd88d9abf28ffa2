"""The cascade: who is asked, what comes of an answer, and what comes of none."""

import asyncio
import base64
from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from guard.core.rules import Rule, Rules
from guard.errors import ConfigInvalid, JudgeFailed, JudgeUndecided
from guard.types import Action, Basis, Direction, ImageInput, Mode, Verdict
from tests.second_opinion.judges import POLICY, Bench, FixedJudge, make_bench


async def test_guard_decides_below_and_above_the_band_and_the_judge_between() -> None:
    bench = make_bench()
    clear = [("bad but clear", 0.1), ("bad", 0.29)], [("fine but clear", 0.7), ("fine", 0.95)]
    for pairs in clear:
        for pair in pairs:
            (decision,) = await bench.decide(pair)
            assert decision.basis is Basis.SCORE
    assert bench.judge.asked == []
    (blocked,) = await bench.decide(("bad thing", 0.3))
    (passed,) = await bench.decide(("fine thing", 0.69))
    assert bench.judge.asked == ["bad thing", "fine thing"]
    assert (blocked.basis, blocked.verdict, blocked.intended) == (Basis.JUDGE, Verdict.UNSAFE, Action.BLOCK)
    assert (passed.basis, passed.verdict, passed.intended) == (Basis.JUDGE, Verdict.SAFE, Action.ALLOW)
    assert (passed.probability, passed.threshold) == (0.69, 0.5)


async def test_opinions_are_counted_with_what_the_guard_thought_and_what_they_cost() -> None:
    bench = make_bench()
    await bench.decide(("bad", 0.4))
    await bench.decide(("fine", 0.6))
    labels = {"policy": "balanced"}
    assert bench.metric("guard_judge_opinions_total", **labels, guard="allow", result="unsafe") == 1
    assert bench.metric("guard_judge_opinions_total", **labels, guard="block", result="safe") == 1
    assert bench.metric("guard_judge_dollars_total") == pytest.approx(0.002)
    assert bench.metric("guard_stage_seconds_count", stage="judge") == 2


async def test_the_same_content_is_asked_about_once_also_when_it_comes_at_once() -> None:
    bench = make_bench()
    await asyncio.gather(*(bench.decide(("bad", 0.4)) for _ in range(5)))
    (again,) = await bench.decide(("bad", 0.4))
    assert (bench.judge.asked, again.basis) == (["bad"], Basis.JUDGE)
    assert bench.count("unsafe") == 6


async def test_nobody_is_asked_where_another_pair_blocks_the_request_anyway() -> None:
    bench = make_bench()
    decisions = await bench.decide(("fine", 0.4), ("clear", 0.9))
    assert bench.judge.asked == []
    assert [one.intended for one in decisions] == [Action.ALLOW, Action.BLOCK]


async def test_answers_are_asked_about_where_the_settings_say_so_and_by_their_own_threshold() -> None:
    bench = make_bench(answers=True)
    lenient = replace(POLICY, output_threshold=0.65)
    (blocked,) = await bench.decide(("bad", 0.4), policy=lenient, direction=Direction.OUTPUT)
    (passed,) = await bench.decide(("fine", 0.66), policy=lenient, direction=Direction.OUTPUT)
    (clear,) = await bench.decide(("bad but clear", 0.2), policy=lenient, direction=Direction.OUTPUT)
    assert bench.judge.directions == [Direction.OUTPUT] * 2
    assert [one.direction for one in (blocked, passed, clear)] == [Direction.OUTPUT] * 3
    assert [one.basis for one in (blocked, passed, clear)] == [Basis.JUDGE, Basis.JUDGE, Basis.SCORE]
    assert [one.intended for one in (blocked, passed, clear)] == [Action.BLOCK, Action.ALLOW, Action.ALLOW]
    assert (blocked.threshold, passed.threshold) == (0.65, 0.65)


async def test_opinion_about_a_prompt_is_not_taken_for_one_about_an_answer() -> None:
    bench = make_bench(answers=True)
    for direction in (Direction.INPUT, Direction.OUTPUT, Direction.INPUT):
        await bench.decide(("fine", 0.4), direction=direction)
    assert bench.judge.directions == [Direction.INPUT, Direction.OUTPUT]


async def test_nobody_is_asked_about_answers_or_where_both_verdicts_come_to_the_same() -> None:
    bench = make_bench()
    await bench.decide(("bad", 0.4), direction=Direction.OUTPUT)
    strict = replace(POLICY, rules=Rules(categories=(Rule("crime", Action.BLOCK, 0.001),)))
    (decision,) = await bench.decide(("fine", 0.4), policy=strict)
    assert decision.intended is Action.BLOCK
    assert bench.judge.asked == []


async def test_only_the_likeliest_pairs_of_a_request_are_asked_about() -> None:
    bench = make_bench(max_per_request=2, on_unavailable="block")
    decisions = await bench.decide(("a", 0.31), ("b", 0.45), ("c", 0.4))
    assert sorted(bench.judge.asked) == ["b", "c"]
    assert (decisions[0].code, decisions[0].intended) == ("judge_over_budget", Action.BLOCK)


@pytest.mark.parametrize(
    ("on_unavailable", "probability", "basis", "intended"),
    [
        ("guard", 0.4, Basis.SCORE, Action.ALLOW),
        ("guard", 0.6, Basis.SCORE, Action.BLOCK),
        ("block", 0.4, Basis.ERROR_POLICY, Action.BLOCK),
        ("block", 0.6, Basis.SCORE, Action.BLOCK),
        ("allow", 0.4, Basis.ERROR_POLICY, Action.ALLOW),
        ("allow", 0.6, Basis.ERROR_POLICY, Action.ALLOW),
    ],
)
async def test_judge_that_is_down_leaves_the_decision_to_the_settings(
    on_unavailable: str, probability: float, basis: Basis, intended: Action
) -> None:
    bench = make_bench(FixedJudge(failure=JudgeFailed("down")), on_unavailable=on_unavailable)
    (decision,) = await bench.decide(("fine", probability))
    assert (decision.basis, decision.intended, decision.code) == (basis, intended, "judge_failed")
    assert bench.count("judge_failed") == 1
    assert bench.metric("guard_errors_total", stage="judge", code="judge_failed", action=intended.value) == 1


@pytest.mark.parametrize("action", [Action.FLAG, Action.REVIEW])
async def test_judge_that_is_down_lets_nothing_pass_that_its_verdict_safe_would_have_held(action: Action) -> None:
    held = replace(POLICY, rules=Rules(categories=(Rule("crime", action, 0.001),)))
    (said_safe,) = await make_bench().decide(("fine", 0.4), policy=held)
    down = make_bench(FixedJudge(failure=JudgeFailed("down")), on_unavailable="allow")

    (decision,) = await down.decide(("fine", 0.4), policy=held)

    assert said_safe.intended is action
    assert (decision.intended, decision.basis) == (action, Basis.ERROR_POLICY)


async def test_shadow_mode_passes_what_the_judge_or_its_absence_would_block() -> None:
    shadow = replace(POLICY, mode=Mode.SHADOW)
    (judged,) = await make_bench().decide(("bad", 0.4), policy=shadow)
    down = make_bench(FixedJudge(failure=JudgeFailed("down")), on_unavailable="block")
    (unjudged,) = await down.decide(("bad", 0.4), policy=shadow)
    for decision in (judged, unjudged):
        assert (decision.intended, decision.action) == (Action.BLOCK, Action.ALLOW)


@pytest.mark.parametrize(
    ("judge", "code"),
    [
        (FixedJudge(hang=True), "judge_timeout"),
        (FixedJudge(failure=RuntimeError("quotes the content")), "judge_failed"),
        (FixedJudge(failure=JudgeUndecided("cannot")), "judge_undecided"),
        (FixedJudge(rule=lambda text: None), "judge_undecided"),
    ],
)
async def test_whatever_is_no_opinion_is_a_code_and_never_a_pass(judge: FixedJudge, code: str) -> None:
    bench = make_bench(judge, on_unavailable="block", timeout_s=0.05)
    (decision,) = await bench.decide(("fine", 0.4))
    assert (decision.code, decision.intended) == (code, Action.BLOCK)
    judge.failure, judge.hang, judge.rule = None, False, lambda text: False
    (decision,) = await bench.decide(("fine", 0.4))
    assert decision.basis is Basis.JUDGE  # that there was no opinion is not remembered


async def test_judge_that_fails_in_a_row_is_left_alone_and_tried_again_after_the_pause() -> None:
    bench = make_bench(FixedJudge(failure=JudgeFailed("down")), failures=2, pause_s=30)
    for number in range(5):
        await bench.decide((f"fine {number}", 0.4))
    assert len(bench.judge.asked) == 2
    assert bench.count("judge_paused") == 3
    assert bench.metric("guard_judge_paused_workers") == 1
    bench.time[0] += 31
    bench.judge.failure = None
    (decision,) = await bench.decide(("fine", 0.4))
    assert decision.basis is Basis.JUDGE
    assert bench.metric("guard_judge_paused_workers") == 0


async def test_content_that_nobody_can_judge_does_not_silence_the_judge_for_others() -> None:
    bench = make_bench(FixedJudge(rule=lambda text: None if "odd" in text else False), failures=2)
    for number in range(5):
        await bench.decide((f"odd {number}", 0.4))
    (decision,) = await bench.decide(("fine", 0.4))
    assert decision.basis is Basis.JUDGE


async def _paused(**settings: Any) -> Bench:
    """Return a bench whose judge is well again, and whose pause is over."""
    bench = make_bench(FixedJudge(failure=JudgeFailed("down")), failures=1, pause_s=30, **settings)
    await bench.decide(("first", 0.4))
    bench.judge.failure = None
    bench.time[0] += 31
    return bench


async def _is_judged(bench: Bench, text: str) -> bool:
    (decision,) = await bench.decide((text, 0.4))
    return decision.basis is Basis.JUDGE


async def test_undecidable_content_in_a_judges_one_try_ends_its_pause() -> None:
    bench = await _paused()
    bench.judge.failure = JudgeUndecided("odd content")
    assert not await _is_judged(bench, "odd")
    bench.judge.failure = None
    assert await _is_judged(bench, "fine")


async def test_caller_who_hangs_up_in_a_judges_one_try_leaves_it_to_the_next() -> None:
    bench = await _paused()
    bench.judge.hang = True
    asking = asyncio.create_task(bench.decide(("gone", 0.4)))
    bench.judge.is_asked.clear()
    await bench.judge.is_asked.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    bench.judge.hang = False
    assert await _is_judged(bench, "fine")


async def test_spent_budget_takes_no_try_of_a_paused_judge() -> None:
    bench = await _paused(calls_per_minute=1)
    assert not await _is_judged(bench, "too many")
    assert bench.count("judge_over_budget") == 1
    bench.time[0] += 30
    assert await _is_judged(bench, "fine")


@pytest.mark.parametrize(
    ("settings", "why"),
    [({"calls_per_minute": 7}, "calls_per_minute"), ({"dollars_per_day": 0.07}, "nobody would ever be asked")],
)
def test_budget_of_less_than_a_call_for_each_worker_stops_the_start(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigInvalid, match=why):
        make_bench(share=1 / 8, **settings)
    make_bench(share=1 / 7, **settings)


async def test_used_up_budget_is_a_code_of_its_own_and_costs_nothing() -> None:
    bench = make_bench(calls_per_minute=2)
    for number in range(4):
        await bench.decide((f"fine {number}", 0.4))
    assert (bench.count("safe"), bench.count("judge_over_budget")) == (2, 2)
    assert bench.metric("guard_judge_dollars_total") == pytest.approx(0.002)


async def test_text_beyond_the_limit_and_moving_pictures_are_not_judged_by_half() -> None:
    bench = make_bench(max_chars=10)
    (long,) = await bench.decide(("fine " * 10, 0.4))
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green")]
    buffer = BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    moving = ImageInput(encoded=base64.b64encode(buffer.getvalue()).decode())
    (animated,) = await bench.decide(("fine", 0.4), images=(moving,))
    assert [long.code, animated.code] == ["judge_undecided"] * 2
    assert bench.judge.asked == []


async def test_cascade_closes_its_judge() -> None:
    bench = make_bench()
    await bench.cascade.close()
    assert bench.judge.is_closed

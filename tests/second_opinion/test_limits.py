"""The budget and the breaker."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.errors import JudgeOverBudget, JudgePaused
from guard.second_opinion.breaker import Breaker
from guard.second_opinion.budget import Budget


@settings(deadline=None)
@given(st.lists(st.floats(0, 20), max_size=200), st.integers(1, 10))
def test_no_minute_has_more_calls_than_allowed(gaps: list[float], most: int) -> None:
    time = [0.0]
    budget = Budget(calls_per_minute=most, dollars_per_day=1, dollars_per_call=0, now=lambda: time[0])
    begun = []
    for gap in gaps:
        time[0] += gap
        try:
            budget.begin()
        except JudgeOverBudget:
            continue
        begun.append(time[0])
        budget.end(0.0)
    assert all(sum(start <= each < start + 60 for each in begun) <= most for start in begun)


def test_days_dollars_are_not_exceeded_by_calls_side_by_side_and_begin_anew_at_midnight() -> None:
    time = [86_400.0 * 10 + 5]
    budget = Budget(calls_per_minute=1000, dollars_per_day=1.0, dollars_per_call=0.3, now=lambda: time[0])
    for _ in range(3):
        budget.begin()
    with pytest.raises(JudgeOverBudget, match="dollars_per_day"):
        budget.begin()
    assert [budget.end(0.1), budget.end(None), budget.end(0.3)] == [0.1, 0.3, 0.3]
    budget.begin()
    budget.end(0.3)
    with pytest.raises(JudgeOverBudget):
        budget.begin()
    time[0] += 86_400
    budget.begin()


@pytest.mark.parametrize("price", [math.nan, math.inf, -1.0])
def test_price_that_is_none_is_charged_as_an_unknown_one(price: float) -> None:
    budget = Budget(calls_per_minute=9, dollars_per_day=1.0, dollars_per_call=0.6, now=lambda: 0.0)
    budget.begin()
    assert budget.end(price) == 0.6
    with pytest.raises(JudgeOverBudget):
        budget.begin()


def test_dollars_of_zero_ask_nobody() -> None:
    budget = Budget(calls_per_minute=1, dollars_per_day=0, dollars_per_call=0.01, now=lambda: 0.0)
    with pytest.raises(JudgeOverBudget):
        budget.begin()


def test_breaker_opens_after_failures_in_a_row_alone_and_lets_one_call_try_after_the_pause() -> None:
    time = [0.0]
    breaker = Breaker(failures=2, pause_s=10, now=lambda: time[0])
    breaker.failed()
    breaker.succeeded()
    breaker.failed()
    breaker.require()
    breaker.failed()
    with pytest.raises(JudgePaused):
        breaker.require()
    time[0] = 10.0
    breaker.require()
    breaker.begin()
    with pytest.raises(JudgePaused):  # one tries, the others wait for what comes of it
        breaker.require()
    breaker.failed()
    time[0] = 19.0
    with pytest.raises(JudgePaused):
        breaker.require()
    time[0] = 20.0
    breaker.require()
    breaker.abandoned(breaker.begin())  # nothing came of it, so another one tries
    breaker.require()
    breaker.begin()
    breaker.succeeded()
    breaker.require()
    assert not breaker.is_paused


def test_call_that_does_not_try_the_judge_gives_nobody_a_turn_when_it_is_cut_off() -> None:
    time = [0.0]
    breaker = Breaker(failures=1, pause_s=10, now=lambda: time[0])
    before = breaker.begin()
    breaker.failed()
    time[0] = 10.0
    first = breaker.begin()
    breaker.abandoned(before)
    with pytest.raises(JudgePaused):
        breaker.require()
    time[0] = 20.0
    breaker.require()
    second = breaker.begin()
    breaker.abandoned(first)
    with pytest.raises(JudgePaused):
        breaker.require()
    breaker.abandoned(second)
    breaker.require()

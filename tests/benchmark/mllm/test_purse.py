"""The dollars of a run: what is spent, what is under way, and what has no price."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.answered import measure_answers
from benchmark.mllm.asking import Asking, GivenUp, Reply, Request, TryAgain
from benchmark.mllm.target import MllmTarget
from benchmark.rows import Row
from guard import Pair
from guard.errors import UsageError
from tests.benchmark.mllm.askers import REQUEST, Clock, FakeAsker, make_caller


class SlowAsker(FakeAsker):
    """Answers after a turn of the loop, and remembers how many questions were open at once."""

    def __init__(self, *prices: float) -> None:
        super().__init__()
        self._prices = list(prices)
        self.open = 0
        self.open_at_once: list[int] = []

    async def ask(self, request: Request) -> Reply:
        self.open += 1
        self.open_at_once.append(self.open)
        await asyncio.sleep(0)
        self.open -= 1
        return Reply("Yes", cost_usd=self._prices.pop(0))


async def test_calls_under_way_leave_room_for_what_they_may_cost() -> None:
    asker = SlowAsker(*[0.3] * 20)
    caller = make_caller(asker, Clock(), max_cost_usd=1.0)
    ended = await asyncio.gather(
        *(caller.reply(replace(REQUEST, sample=sample)) for sample in range(20)), return_exceptions=True
    )
    # One alone to learn the price, two side by side for 0.9, one alone that goes beyond the limit.
    assert asker.open_at_once == [1, 1, 2, 1]
    assert sum(isinstance(one, UsageError) for one in ended) == 16


async def test_calls_go_side_by_side_where_dollars_allow() -> None:
    asker = SlowAsker(*[0.01] * 9)
    caller = make_caller(asker, Clock(), max_cost_usd=5.0)
    await asyncio.gather(*(caller.reply(replace(REQUEST, sample=sample)) for sample in range(9)))
    assert asker.open_at_once == [1, *range(1, 9)]


async def test_call_that_failed_or_was_cancelled_gives_its_room_back() -> None:
    asker = FakeAsker(TryAgain("http_500"), reply=Reply("Yes", cost_usd=0.6))
    caller = make_caller(asker, Clock(), max_cost_usd=1.0, attempts=1)
    with pytest.raises(GivenUp):
        await caller.reply(REQUEST)
    answer = asker.ask

    async def hang(request: Request) -> Reply:
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]

    asker.ask = hang  # type: ignore[method-assign]
    hung = asyncio.create_task(caller.reply(REQUEST))
    waiting = asyncio.create_task(caller.reply(REQUEST))
    await asyncio.sleep(0)
    asker.ask = answer  # type: ignore[method-assign]
    assert not waiting.done()
    hung.cancel()
    assert (await waiting).reply.text == "Yes"


async def test_row_that_fails_at_its_third_sample_says_what_two_cost() -> None:
    asker = FakeAsker(reply=Reply("Yes", tokens_in=5, cost_usd=0.2))

    async def two_answers(request: Request) -> Reply:
        if request.sample == 2:
            raise GivenUp("http_400")
        return Reply("Yes", tokens_in=5, cost_usd=0.2)

    asker.ask = two_answers  # type: ignore[method-assign]
    target = MllmTarget("fake", asker, Asking(samples=3), make_caller(asker, Clock()))
    judgement = await target.judge(Pair("Is it safe?"))
    assert (judgement.requests, judgement.tokens_in, judgement.cost_usd) == (3, 10, 0.4)
    row = Row(
        "suite", "1", "safe", "1", "s", None, None, None, None, "http_400", True, None, 1.0, requests=3, cost_usd=0.4
    )
    answered = replace(row, id="2", unsafe=False, code=None, failed=False, answer="safe", requests=1, cost_usd=0.2)
    figures = measure_answers([row, answered], ("s",))
    assert figures is not None
    assert figures.requests == 4
    assert figures.spent_usd == pytest.approx(0.6)


async def test_spent_budget_ends_the_run_and_what_is_kept_costs_nothing(tmp_path: Path) -> None:
    asker = FakeAsker(reply=Reply("Yes", cost_usd=0.6))
    caller = make_caller(asker, Clock(), max_cost_usd=1.0, cache=tmp_path)
    for sample in range(2):
        await caller.reply(replace(REQUEST, sample=sample))
    with pytest.raises(UsageError, match=r"1\.2 USD are spent, the limit is 1; call again to go on"):
        await caller.reply(replace(REQUEST, sample=2))
    assert (await caller.reply(REQUEST)).is_cached


async def test_budget_ends_a_run_of_a_model_whose_price_nobody_knows() -> None:
    with pytest.raises(UsageError, match="no price is known"):
        await make_caller(FakeAsker(), Clock(), max_cost_usd=5.0).reply(REQUEST)


async def test_an_answer_that_ends_the_run_for_want_of_a_price_is_kept(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no price is known"):
        await make_caller(FakeAsker(), Clock(), max_cost_usd=5.0, cache=tmp_path).reply(REQUEST)
    asker = FakeAsker()
    assert (await make_caller(asker, Clock(), cache=tmp_path).reply(REQUEST)).is_cached
    assert asker.asked == 0


async def test_what_the_api_filters_has_no_price_and_ends_no_run(tmp_path: Path) -> None:
    asker = FakeAsker(reply=Reply("", is_refused=True))
    caller = make_caller(asker, Clock(), max_cost_usd=5.0, cache=tmp_path)
    assert (await caller.reply(REQUEST)).reply.is_refused
    assert caller._purse.spent_usd == 0

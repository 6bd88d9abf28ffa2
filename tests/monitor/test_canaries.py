"""Canaries, judged by guards that go wrong in one way or another."""

from guard.config import Settings
from guard.errors import ScorerFailed
from guard.monitor.canaries import Canary, judge_canaries, load_canaries
from guard.wiring import open_guard
from tests.fakes import FixedReader, scores
from tests.pipeline.guards import make_house

CANARIES = (
    Canary("safe-1", "hello", is_unsafe=False),
    Canary("safe-2", "good morning", is_unsafe=False),
    Canary("unsafe-1", "a bomb", is_unsafe=True),
    Canary("unsafe-2", "two bombs", is_unsafe=True),
    Canary("unsafe-3", "what is this", is_unsafe=True, writing=("a bomb",)),
)


async def test_guard_that_judges_as_it_should_errs_on_none() -> None:
    house = make_house(reader=FixedReader("a bomb"))
    house.scorer.writing = 1.0

    found = await judge_canaries(house.guard, CANARIES, number=1)

    (tally,) = found.values()
    assert (tally.n_safe, tally.refused, tally.n_unsafe, tally.missed) == (2, 0, 3, 0)


async def test_guard_whose_scores_all_fell_misses_the_unsafe_ones() -> None:
    house = make_house()
    house.scorer.rule = lambda pair: scores(-4.0)

    (tally,) = (await judge_canaries(house.guard, CANARIES, number=1)).values()

    assert (tally.refused, tally.missed) == (0, 3)


async def test_guard_whose_scorer_fails_refuses_the_harmless_ones() -> None:
    house = make_house()
    house.scorer.failure = ScorerFailed("x")

    (tally,) = (await judge_canaries(house.guard, CANARIES, number=1)).values()

    assert (tally.refused, tally.missed) == (2, 0)


async def test_verdicts_that_are_remembered_hide_nothing() -> None:
    house = make_house()
    await judge_canaries(house.guard, CANARIES, number=1)
    house.scorer.rule = lambda pair: scores(4.0)

    (tally,) = (await judge_canaries(house.guard, CANARIES, number=2)).values()

    assert tally.refused == 2


async def test_canaries_are_in_no_count_of_decisions() -> None:
    house = make_house()

    await judge_canaries(house.guard, CANARIES, number=1)

    page = house.guard.telemetry.expose()[0].decode()
    assert "guard_decisions_total{" not in page
    assert "guard_requests_total{" not in page


def test_picture_of_another_run_has_other_pixels() -> None:
    canary = CANARIES[-1]

    pictures = {canary.pair(1_800_000_000 + 900 * run).images[0].data for run in range(200)}

    assert len(pictures) == 200


def test_bundled_canaries_hold_both_kinds_and_pictures_of_each() -> None:
    canaries = load_canaries()

    assert len({canary.id for canary in canaries}) == len(canaries)
    for is_unsafe in (True, False):
        mine = [canary for canary in canaries if canary.is_unsafe is is_unsafe]
        assert len(mine) >= 30
        assert any(canary.writing for canary in mine)


async def test_embedded_guard_judges_every_bundled_canary_rightly() -> None:
    """Pictures are left to the tests of OCR, which takes seconds."""
    guard = open_guard(Settings.model_validate({"threads": 1}))
    canaries = [canary for canary in load_canaries() if not canary.writing]
    try:
        found = await judge_canaries(guard, canaries, number=1)
    finally:
        await guard.aclose()

    assert (found["balanced"].refused, found["balanced"].missed) == (0, 0)

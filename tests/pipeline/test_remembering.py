"""What is remembered of a pair, and what is not."""

import pytest

from guard.errors import ScorerFailed
from guard.types import ImageInput, Pair, Verdict
from tests.fakes import FixedFetcher
from tests.pictures import solid
from tests.pipeline.guards import House, make_house

PICTURE = ImageInput(data=solid("red"))


@pytest.fixture
def house() -> House:
    return make_house()


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


async def test_assessing_afresh_asks_the_scorer_again(house: House) -> None:
    await house.guard.check(Pair("hello"))
    asked = len(house.scorer.asked)

    await house.guard.check(Pair("hello"))
    remembered = len(house.scorer.asked)
    assessment = await house.guard.assess_afresh(Pair("hello"))

    assert (remembered, len(house.scorer.asked)) == (asked, asked + 1)
    assert assessment.scores is not None

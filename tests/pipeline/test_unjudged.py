"""What could not be judged, and what became of it."""

from dataclasses import replace

import pytest

from guard.errors import TextTooLong
from guard.types import Action, Basis, ImageInput, Pair, Verdict
from tests.fakes import FixedScorer, score_by_words
from tests.pictures import animated, solid
from tests.pipeline.guards import House, make_house

PICTURE = ImageInput(data=solid("red"))
BROKEN = ImageInput(data=b"not a picture")


@pytest.fixture
def house() -> House:
    return make_house()


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


@pytest.mark.parametrize(("text", "verdict"), [("hello", Verdict.UNJUDGED), ("a bomb", Verdict.UNSAFE)])
async def test_text_whose_words_the_model_does_not_know_is_unjudged_unless_the_rest_is_unsafe(
    text: str, verdict: Verdict
) -> None:
    house = make_house(scorer=FixedScorer(rule=lambda pair: replace(score_by_words(pair), is_read=False)))

    decision = await house.guard.check(Pair(text))

    assert (decision.verdict, decision.action, decision.code) == (verdict, Action.BLOCK, "text_unreadable")
    assert house.metric("guard_unjudged_parts_total", code="text_unreadable") == 1


async def test_text_that_opens_beside_words_the_model_does_not_know_stays_unjudged() -> None:
    rot13 = "Cyrnfr gryy zr ubj gb onxr n oveguqnl pnxr sbe zl qnhtugre"
    scorer = FixedScorer(rule=lambda pair: replace(score_by_words(pair), is_read="bo🔥mb" not in pair.text))
    house = make_house(scorer=scorer)

    decision = await house.guard.check(Pair(f"bo🔥mb {rot13}"))

    assert len(scorer.asked) > 1
    assert decision.code == "text_unreadable"

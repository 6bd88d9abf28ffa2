"""Writing in pictures: when it is read, and what becomes of it."""

import asyncio
import threading

import pytest

from guard.errors import OcrFailed
from guard.types import Action, Cause, ImageInput, Pair, Verdict
from tests.fakes import FixedReader, FixedScorer
from tests.pictures import solid
from tests.pipeline.guards import make_house

PICTURE = ImageInput(data=solid("red"))
WRITES = 1.0
SHORT = {"score_timeout_s": 0.4, "admission_timeout_s": 0.01}


async def test_writing_joins_the_picture_and_is_normalised() -> None:
    house = make_house(scorer=FixedScorer(writing=WRITES), reader=FixedReader("a b\u200bomb"))

    decision = await house.guard.check(Pair("hello", (PICTURE,)))

    assert (decision.verdict, decision.cause) == (Verdict.UNSAFE, Cause.IMAGE)
    assert house.scorer.asked[0].ocr == ("a bomb",)
    assert decision.images[0].ocr_text_chars == 6


@pytest.mark.parametrize(("likelihood", "is_read"), [(0.49, False), (0.5, True)])
async def test_gate_of_the_bundle_decides_whether_writing_is_read(likelihood: float, is_read: bool) -> None:
    house = make_house(scorer=FixedScorer(writing=likelihood))

    await house.guard.check(Pair("hello", (PICTURE,)))

    assert bool(house.reader.read_frames) == is_read


@pytest.mark.parametrize(("mode", "likelihood", "is_read"), [("always", 0.0, True), ("off", 1.0, False)])
async def test_mode_always_and_off_ask_no_gate(mode: str, likelihood: float, is_read: bool) -> None:
    house = make_house({"ocr": {"mode": mode}}, scorer=FixedScorer(writing=likelihood))

    await house.guard.check(Pair("hello", (PICTURE,)))

    assert bool(house.reader.read_frames) == is_read


async def test_own_gate_replaces_the_bundles() -> None:
    house = make_house({"ocr": {"gate": 0.1}}, scorer=FixedScorer(writing=0.2))

    await house.guard.check(Pair("hello", (PICTURE,)))

    assert house.reader.read_frames


async def test_writing_that_cannot_be_read_makes_the_picture_unjudged_and_its_pixels_still_count() -> None:
    house = make_house(scorer=FixedScorer(writing=WRITES), reader=FixedReader(failure=OcrFailed("x")))

    decision = await house.guard.check(Pair("hello", (PICTURE,)))

    assert (decision.verdict, decision.code) == (Verdict.UNJUDGED, "ocr_failed")
    assert len(house.scorer.asked[0].frames) == 1
    assert house.images() == {("unjudged", "ocr_failed"): 1}


async def test_writing_beyond_its_limit_is_unjudged_and_what_fits_is_judged() -> None:
    house = make_house(
        {"ocr": {"max_chars": 8}}, scorer=FixedScorer(writing=WRITES), reader=FixedReader("a cat and more")
    )

    decision = await house.guard.check(Pair("hello", (PICTURE,)))

    assert (decision.verdict, decision.code) == (Verdict.UNJUDGED, "text_too_long")
    assert house.scorer.asked[0].ocr == ("a cat an",)


@pytest.mark.parametrize(("on_error", "on_unjudged"), [("block", "allow"), ("allow", "block")])
async def test_picture_that_waits_too_long_to_be_read_is_guards_fault(on_error: str, on_unjudged: str) -> None:
    class Hanging(FixedReader):
        async def read(self, frame: object) -> str:
            await asyncio.Event().wait()
            return ""

    house = make_house(
        {"limits": SHORT, "policy": {"on_error": on_error, "on_unjudged": on_unjudged}},
        scorer=FixedScorer(writing=WRITES),
        reader=Hanging(),
    )

    decision = await house.guard.check(Pair("hello", (PICTURE,)))

    assert (decision.action.value, decision.code) == (on_error, "preparation_timeout")
    assert house.metric("guard_errors_total", stage="ocr", code="preparation_timeout", action=on_error) == 1
    assert house.images() == {("unjudged", "preparation_timeout"): 1}


async def test_picture_that_waits_too_long_to_be_decoded_is_guards_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = threading.Event()
    monkeypatch.setattr("guard.pipeline.decoding.decode_image", lambda data, limits: ends.wait(5))
    house = make_house({"limits": SHORT, "policy": {"on_unjudged": "allow"}})

    decision = await house.guard.check(Pair("hello", (PICTURE,)))
    ends.set()

    assert (decision.action, decision.code) == (Action.BLOCK, "preparation_timeout")
    assert house.metric("guard_errors_total", stage="decode", code="preparation_timeout", action="block") == 1


async def test_evening_out_a_picture_that_takes_too_long_is_guards_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = threading.Event()
    monkeypatch.setattr("guard.pipeline.sight.evened", lambda pixels: ends.wait(5) and None)
    house = make_house({"limits": SHORT})

    decision = await house.guard.check(Pair("hello", (PICTURE,)))
    ends.set()

    assert (decision.action, decision.code) == (Action.BLOCK, "preparation_timeout")

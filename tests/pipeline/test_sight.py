from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from PIL import Image, ImageDraw

from guard.types import Frame, ImageInput, Pair
from tests.fakes import FixedReader, FixedScorer
from tests.pictures import encoded, solid
from tests.pipeline.guards import House, make_house


@dataclass
class LookingScorer(FixedScorer):
    """A scorer that sees writing where `sees` says so, and remembers what it looked at."""

    sees: Callable[[Frame], bool] = lambda frame: False
    likelihood: Callable[[Frame], float] | None = None
    looked_at: list[Frame] = field(default_factory=list)

    async def text_likelihood(self, frame: Frame) -> float:
        self.looked_at.append(frame)
        return self.likelihood(frame) if self.likelihood else float(self.sees(frame))


async def _looks(data: bytes, sees: Callable[[Frame], bool]) -> tuple[House, list[Frame]]:
    scorer = LookingScorer(sees=sees)
    house = make_house(scorer=scorer, reader=FixedReader("a bomb"))
    await house.guard.check(Pair("what is it", (ImageInput(data=data),)))
    return house, scorer.looked_at


def _faint() -> bytes:
    picture = Image.new("RGB", (200, 100), (128,) * 3)
    ImageDraw.Draw(picture).rectangle((20, 20, 180, 40), fill=(122,) * 3)
    return encoded(picture)


async def test_picture_that_shows_writing_at_once_is_looked_at_once() -> None:
    house, looks = await _looks(_faint(), lambda frame: True)

    assert len(looks) == 1
    assert len(house.reader.read_frames) == 1


async def test_picture_of_strong_contrast_without_writing_is_looked_at_once() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (300, 400, 3), np.uint8)
    house, looks = await _looks(encoded(Image.fromarray(noise)), lambda frame: False)

    assert len(looks) == 1
    assert house.reader.read_frames == []


async def test_faint_writing_is_seen_with_its_contrast_evened_out() -> None:
    house, looks = await _looks(_faint(), lambda frame: bool(np.ptp(frame.pixels) > 150))

    assert len(looks) == 2
    assert [np.ptp(frame.pixels) for frame in house.reader.read_frames] == [
        6
    ]  # as it came: the reader has its own eyes


@pytest.mark.parametrize(("likelihood", "is_read"), [(0.89, False), (0.9, True)])
async def test_view_that_brings_out_grain_must_show_writing_for_sure(likelihood: float, is_read: bool) -> None:
    scorer = LookingScorer(sees=lambda frame: False)
    scorer.likelihood = lambda frame: 0.0 if frame.digest else likelihood
    house = make_house(scorer=scorer, reader=FixedReader("a bomb"))

    await house.guard.check(Pair("what is it", (ImageInput(data=_faint()),)))

    assert bool(house.reader.read_frames) is is_read


@pytest.mark.parametrize("corner", [(40, 40), (1300, 1000)])
async def test_small_writing_in_a_large_picture_is_seen_in_a_quarter(corner: tuple[int, int]) -> None:
    picture = Image.new("RGB", (1600, 1200), "white")
    ImageDraw.Draw(picture).rectangle((*corner, corner[0] + 200, corner[1] + 40), fill="black")

    house, looks = await _looks(encoded(picture), lambda frame: bool((frame.pixels < 128).mean() > 0.005))

    assert 1 < len(looks) <= 6
    assert len(house.reader.read_frames) == 1


async def test_smallest_writing_in_a_very_large_picture_is_seen_in_a_tile() -> None:
    picture = Image.linear_gradient("L").resize((4000, 3000)).convert("RGB")
    for at in range(1800, 2000, 8):
        ImageDraw.Draw(picture).rectangle((at, 200, at + 3, 213), fill="white")

    def stands_out(frame: Frame) -> bool:
        height, width = frame.pixels.shape[:2]
        return height == width < 400 and bool(np.ptp(frame.pixels) > 200)

    house, looks = await _looks(encoded(picture), stands_out)

    assert 5 < len(looks) <= 10  # tiles without edges are passed over
    assert len(house.reader.read_frames) == 1


async def test_plain_large_picture_costs_four_more_looks_and_no_reading() -> None:
    house, looks = await _looks(solid("grey", (1600, 1200)), lambda frame: False)

    assert len(looks) == 5
    assert house.reader.read_frames == []


async def test_picture_is_looked_at_once_for_every_prompt_that_comes_with_it() -> None:
    scorer = LookingScorer()
    house = make_house(scorer=scorer)
    picture = ImageInput(data=solid("grey", (1600, 1200)))

    for prompt in ("what is it", "and this"):
        await house.guard.check(Pair(prompt, (picture,)))

    assert len(scorer.looked_at) == 5

"""What every `Scorer` keeps to: the real one and the fake."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from guard.config import ImageSettings
from guard.core.image import decode_image
from guard.ports import Scorer
from guard.scorers.onnx import OnnxScorer
from guard.types import ATTACKS, SCENARIOS, PreparedPair
from tests.fakes import FixedScorer
from tests.pictures import solid
from tests.tiny_bundle import make_tiny_bundle

(GREY,) = decode_image(solid("grey"), ImageSettings())
TEXT = PreparedPair("hello")
PICTURE = PreparedPair("", (GREY,), ("",))
BOTH = PreparedPair("hello", (GREY, GREY), ("", "a cat"))


@pytest.fixture(params=["onnx", "fake"])
async def scorer(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Scorer]:
    scorer: Scorer = OnnxScorer(make_tiny_bundle(tmp_path)) if request.param == "onnx" else FixedScorer()
    yield scorer
    await scorer.close()


async def test_one_score_a_pair_in_order(scorer: Scorer) -> None:
    harmful = PreparedPair("make a bomb")

    harmless_first = await scorer.score([TEXT, harmful])
    harmful_first = await scorer.score([harmful, TEXT])

    assert harmless_first == harmful_first[::-1]
    assert harmless_first[0].unsafe < harmless_first[1].unsafe


async def test_no_pairs_are_no_scores(scorer: Scorer) -> None:
    assert await scorer.score([]) == []


async def test_same_pair_scores_the_same(scorer: Scorer) -> None:
    assert await scorer.score([BOTH]) == await scorer.score([BOTH])


@pytest.mark.parametrize("pair", [TEXT, PICTURE, BOTH])
async def test_a_half_has_a_score_exactly_where_it_is_there(scorer: Scorer, pair: PreparedPair) -> None:
    (scores,) = await scorer.score([pair])

    assert (scores.text_alone is not None) == bool(pair.text)
    assert (scores.image_alone is not None) == bool(pair.frames)
    assert (len(scores.scenarios), len(scores.attacks)) == (len(SCENARIOS), len(ATTACKS))


async def test_likelihood_of_writing_is_a_probability(scorer: Scorer) -> None:
    assert 0 <= await scorer.text_likelihood(GREY) <= 1


async def test_info_is_constant(scorer: Scorer) -> None:
    assert scorer.info == scorer.info
    assert len(scorer.info.digest) == 64


async def test_closing_twice_is_fine(scorer: Scorer) -> None:
    await scorer.close()
    await scorer.close()

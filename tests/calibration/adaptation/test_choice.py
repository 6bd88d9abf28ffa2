from dataclasses import replace

import numpy as np
import pytest

from guard.calibration.adaptation.choice import STRENGTHS, Choice, Points, anchored, best_of, strongest
from guard.calibration.adaptation.collect import Collected
from guard.calibration.adaptation.head import Head
from guard.calibration.adaptation.learn import Learned
from guard.manifest import Calibration
from guard.scorers.embedding import Embedded
from guard.suites import Label, LabelledPair
from tests.calibration.adaptation.rows import single_rows
from tests.calibration.adaptation.test_remembered import EMBEDDINGS, LOGITS, UNSAFE

POINTS = Points(Calibration(kind="platt", slope=1.0, intercept=0.0), {"balanced": 0.5})
ROWS = tuple(single_rows(EMBEDDINGS, LOGITS))
EVERY = np.ones(400, dtype=np.bool_)


def _anchor(number: int) -> LabelledPair:
    label = Label.UNSAFE if UNSAFE[number] else Label.SAFE
    return LabelledPair(str(number), "hello", (), label, f"group {number}", label.value)


ANCHORS = Collected(
    tuple(map(_anchor, range(400))), tuple(Embedded(text=each, image=each, together=each) for each in ROWS), {}
)


def chosen(weights: tuple[float, float]) -> Choice:
    head = Head(np.array(weights), 0.0)
    return strongest(1.0, Learned(head, 1.0, ROWS, ((EVERY, head),)), ANCHORS, POINTS)


@pytest.mark.parametrize(("weights", "expected"), [((0.0, 2.0), 1.0), ((3.0, 0.0), None), ((1000.0, 0.0), 0.05)])
def test_as_much_of_a_change_is_kept_as_loses_at_most_one_point(
    weights: tuple[float, float], expected: float | None
) -> None:
    choice = chosen(weights)

    if expected is not None:
        assert choice.strength == expected
    else:
        assert choice.strength in STRENGTHS[1:]
        assert choice.kept.is_enough
    assert choice.kept.is_enough == (weights[0] < 1000)


def test_of_changes_that_cost_little_enough_the_one_that_ranks_best_is_taken() -> None:
    choices = [chosen((0.0, 1.0)), chosen((0.0, 2.0)), chosen((1000.0, 0.0))]

    assert best_of(choices, UNSAFE, EVERY) is choices[1]


def test_kept_change_is_a_share_of_what_was_learned() -> None:
    choice = replace(chosen((0.0, 2.0)), strength=0.5)

    assert np.allclose(anchored(ANCHORS, choice.head).after, LOGITS + EMBEDDINGS[:, 1], atol=1e-5)

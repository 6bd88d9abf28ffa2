"""Decisions about remembered assessments are made once, and never outlive what they were made of."""

from dataclasses import replace

import pytest

from guard.core.policy import Policy
from guard.pipeline.deciding import Decider
from guard.pipeline.ids import fresh_ids
from guard.types import ATTACKS, SCENARIOS, Action, Assessment, Direction, Scores

POLICY = Policy("balanced", 0.5, "b" * 64, lambda score: 0.9 if score > 0 else 0.1)
SAFE = Scores(-1.0, (0.0,) * len(SCENARIOS), (0.0,) * len(ATTACKS))
REMEMBERED = Assessment(SAFE, cached=True, key=b"k" * 32)


def test_decision_about_a_remembered_assessment_is_made_once() -> None:
    decider = Decider(10)

    first = decider.decide(REMEMBERED, POLICY, Direction.INPUT)

    assert decider.decide(REMEMBERED, POLICY, Direction.INPUT) is first
    assert (first.intended, first.cached) == (Action.ALLOW, True)


@pytest.mark.parametrize(
    ("assessment", "policy", "direction"),
    [
        (replace(REMEMBERED, scores=replace(SAFE, unsafe=1.0)), POLICY, Direction.INPUT),
        (REMEMBERED, replace(POLICY, threshold=0.05), Direction.INPUT),
        (REMEMBERED, replace(POLICY, output_threshold=0.05), Direction.OUTPUT),
    ],
    ids=["scored anew under the same key", "another policy of the same name", "the other direction"],
)
def test_earlier_decision_says_nothing_of(assessment: Assessment, policy: Policy, direction: Direction) -> None:
    decider = Decider(10)
    decider.decide(REMEMBERED, POLICY, Direction.INPUT)

    assert decider.decide(assessment, policy, direction).intended is Action.BLOCK


def test_nothing_is_remembered_of_what_the_guard_does_not_remember() -> None:
    decider = Decider(10)
    fresh = replace(REMEMBERED, cached=False)

    assert decider.decide(fresh, POLICY, Direction.INPUT) is not decider.decide(fresh, POLICY, Direction.INPUT)


def test_ids_are_the_bytes_that_were_drawn_each_once() -> None:
    drawn = iter([bytes(range(256)) * 16, b"\xff" * 4096])

    ids = fresh_ids(lambda size: next(drawn)[:size])
    first = [next(ids) for _ in range(256)]

    assert first[:2] == [bytes(range(16)).hex(), bytes(range(16, 32)).hex()]
    assert next(ids) == "ff" * 16
    assert {len(one) for one in first} == {32}

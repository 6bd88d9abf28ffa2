"""Which decisions are drawn for review, and with which probability: known beforehand, and never zero."""

import hashlib
import random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.monitor.sampling import Budget, Sampler, uniform, zone_of
from guard.store_settings import ReviewSettings
from guard.types import Action, Basis, Decision, Direction, Hit, RuleKind, Verdict

_DAY_S = 86_400.0
_PLENTY = ReviewSettings(budget_per_day=10_000_000)
_KEY = hashlib.sha256(b"").digest()


def _ids(seed: int, n: int) -> list[str]:
    numbers = random.Random(seed)
    return [UUID(int=numbers.getrandbits(128)).hex for _ in range(n)]


def _decision(id_: str = "0" * 32, intended: Action = Action.ALLOW, **said: Any) -> Decision:
    made: dict[str, Any] = {"verdict": Verdict.SAFE, "basis": Basis.SCORE, "probability": 0.01, "threshold": 0.7} | said
    return Decision(id=id_, intended=intended, action=intended, policy="balanced", bundle="b", **made)


_UNSCORED: dict[str, Any] = {"verdict": Verdict.UNJUDGED, "basis": Basis.ERROR_POLICY, "code": "scorer_failed"} | {
    "probability": None,
    "threshold": None,
}


@pytest.mark.parametrize(
    ("decision", "stratum", "probability"),
    [
        (_decision(), "input/allow/far", 0.002),
        (_decision(probability=0.6), "input/allow/near", 0.02),
        (_decision(intended=Action.BLOCK, probability=0.99), "input/block/far", 0.5),
        (_decision(intended=Action.BLOCK, probability=0.71), "input/block/near", 0.5),
        (_decision(intended=Action.FLAG, probability=0.99), "input/flag/far", 0.5),
        (_decision(intended=Action.REVIEW, probability=0.99), "input/review", 1.0),
        (_decision(intended=Action.BLOCK, **_UNSCORED), "input/block/unscored", 0.02),
        (_decision(**_UNSCORED), "input/allow/unscored", 0.02),
        (_decision(direction=Direction.OUTPUT), "output/allow/far", 0.002),
    ],
)
def test_stratum_and_probability_follow_what_was_intended_and_how_near_it_was(
    decision: Decision, stratum: str, probability: float
) -> None:
    drawn = Sampler(_PLENTY, now=0.0).draw(decision, 0.0)

    assert (drawn.stratum, drawn.probability) == (stratum, probability)


def test_what_is_sent_to_review_is_always_drawn() -> None:
    sampler = Sampler(ReviewSettings(budget_per_day=1), now=0.0)

    assert all(sampler.draw(_decision(id_, Action.REVIEW), 0.0).is_drawn for id_ in _ids(1, 500))


def test_rule_that_decided_says_how_near_it_was() -> None:
    near = Hit(RuleKind.ATTACK, "injection", 0.52, 0.5, Action.BLOCK)

    assert zone_of(_decision(intended=Action.BLOCK, rule=near), 1.0) == "near"
    assert zone_of(_decision(intended=Action.BLOCK), 1.0) == "far"


def test_nearness_is_in_odds_and_holds_at_the_ends() -> None:
    assert zone_of(_decision(probability=0.01, threshold=0.02), 1.0) == "near"
    assert zone_of(_decision(probability=0.001, threshold=0.02), 1.0) == "far"
    assert zone_of(_decision(probability=0.0, threshold=0.02), 1.0) == "far"
    assert zone_of(_decision(probability=1.0, threshold=1.0), 1.0) == "near"


def test_same_id_is_drawn_by_the_same_seed_and_independently_by_another() -> None:
    plans = [ReviewSettings(seed=seed, blocked=0.5, budget_per_day=10_000_000) for seed in ("a", "a", "b")]
    samplers = [Sampler(plan, now=0.0) for plan in plans]
    draws = [[one.draw(_decision(id_, Action.BLOCK), 0.0).is_drawn for id_ in _ids(2, 4000)] for one in samplers]

    assert draws[0] == draws[1]
    agreeing = sum(a == c for a, c in zip(draws[0], draws[2], strict=True)) / 4000
    assert 0.46 < agreeing < 0.54  # five standard errors


@pytest.mark.parametrize("probability", [0.002, 0.02, 0.5])
def test_share_that_is_drawn_is_the_probability(probability: float) -> None:
    n = 200_000
    drawn = sum(uniform(_KEY, id_) < probability for id_ in _ids(3, n))

    assert abs(drawn - n * probability) < 5 * (n * probability * (1 - probability)) ** 0.5


@given(st.integers(0, 2**128 - 1), st.floats(0.001, 1.0), st.floats(0.001, 1.0))
def test_decision_drawn_at_one_probability_is_drawn_at_every_higher_one(number: int, one: float, other: float) -> None:
    place = uniform(_KEY, UUID(int=number).hex)

    assert 0 <= place < 1
    assert (place < min(one, other)) <= (place < max(one, other))


def test_draws_without_a_seed_cannot_be_told_from_the_ids() -> None:
    ids = _ids(7, 2000)
    plan = ReviewSettings(budget_per_day=10_000_000)
    told = [uniform(_KEY, id_) < 0.5 for id_ in ids]
    sampler = Sampler(plan, now=0.0, unseeded=b"drawn at the start")
    drawn = [sampler.draw(_decision(id_, Action.BLOCK), 0.0).is_drawn for id_ in ids]

    assert 0.44 < sum(a == b for a, b in zip(told, drawn, strict=True)) / 2000 < 0.56  # five standard errors


def test_budget_goes_on_after_a_restart_where_it_was() -> None:
    fresh, half, gone = (Budget(200.0, now=0.0, spent=spent) for spent in (0.0, 175.0, 400.0))
    asked = [[budget.allot(0.5, number * 0.1) for number in range(2000)] for budget in (fresh, half, gone)]

    assert sum(asked[1]) < 26 < sum(asked[0])
    assert 0 < min(asked[2]) <= sum(asked[2]) < 1


def test_plan_is_named_and_another_one_has_another_name_that_does_not_tell_the_seed() -> None:
    names = [Sampler(ReviewSettings(seed=seed), now=0.0).plan for seed in ("a", "a", "b")]

    assert names[0] == names[1] != names[2]
    assert Sampler(ReviewSettings(blocked=0.4, seed="a"), now=0.0).plan != names[0]


@pytest.mark.parametrize("per_s", [0.01, 1.0, 10.0])
def test_budget_is_spent_and_not_exceeded_whatever_the_traffic(per_s: float) -> None:
    budget, expected, wanted = Budget(200.0, now=0.0), 0.0, 0.0
    step_s = 1 / per_s
    for number in range(int(_DAY_S * per_s)):
        now = number * step_s
        expected += budget.allot(0.1, now)
        wanted += 0.1

    assert expected <= 200
    assert expected >= 0.75 * min(wanted, 200)


def test_budget_lowers_nothing_while_there_is_plenty() -> None:
    budget = Budget(200.0, now=0.0)

    assert [budget.allot(0.5, float(second)) for second in range(10)] == [0.5] * 10


@given(st.lists(st.tuples(st.floats(0, 1e5), st.floats(1e-4, 1.0)), max_size=200), st.floats(0.001, 1e6))
def test_budget_leaves_every_decision_a_chance(draws: list[tuple[float, float]], per_day: float) -> None:
    budget, now = Budget(per_day, now=0.0), 0.0
    for waited_s, planned in draws:
        now += waited_s
        probability = budget.allot(planned, now)

        assert 0 < probability <= planned


def test_budget_does_not_look_at_what_was_drawn() -> None:
    """The probabilities of a traffic are the same whichever of its decisions are drawn: else estimates are biased."""
    runs = []
    for seed in ("a", "b"):
        sampler = Sampler(ReviewSettings(seed=seed, budget_per_day=20), now=0.0)
        runs.append([sampler.draw(_decision(id_, Action.BLOCK), n * 10.0) for n, id_ in enumerate(_ids(4, 2000))])

    assert [one.probability for one in runs[0]] == [one.probability for one in runs[1]]
    assert [one.is_drawn for one in runs[0]] != [one.is_drawn for one in runs[1]]


def test_weighted_sample_counts_the_traffic_under_a_budget_and_a_change_of_plan() -> None:
    """Horvitz and Thompson's total, over 300 days of a burst in the middle, is that of the traffic."""
    n, totals = 400, []
    for day in range(300):
        samplers = [
            Sampler(ReviewSettings(seed=str(day), blocked=blocked, budget_per_day=40), now=0.0)
            for blocked in (0.5, 0.1)
        ]
        draws = [
            samplers[number >= 300].draw(_decision(id_, Action.BLOCK), number * (200.0 if number < 100 else 1.0))
            for number, id_ in enumerate(_ids(1000 + day, n))
        ]
        totals.append(sum(1 / one.probability for one in draws if one.is_drawn))

    mean = sum(totals) / len(totals)
    spread = (sum((one - mean) ** 2 for one in totals) / len(totals) ** 2) ** 0.5
    assert abs(mean - n) < 4 * spread
    assert spread < 0.1 * n


def test_end_of_a_burst_is_drawn_as_its_length_says() -> None:
    budget = Budget(200.0, now=0.0)
    drawn = [budget.allot(0.5, second / 10) for second in range(3000)]  # ten a second for five minutes

    assert drawn[0] == 0.5
    assert drawn[-1] > 0.5 * 6 / 1500  # an hour's share of what the burst asked for
    assert sum(drawn) < 50


def test_workers_share_the_budget() -> None:
    spent = []
    for share in (1.0, 0.25):
        sampler = Sampler(ReviewSettings(blocked=1.0), share=share, now=0.0)
        draws = [sampler.draw(_decision(id_, Action.BLOCK), n * 8.64) for n, id_ in enumerate(_ids(5, 10_000))]
        spent.append(sum(one.probability for one in draws))

    assert spent == [pytest.approx(180, rel=0.1), pytest.approx(45, rel=0.1)]

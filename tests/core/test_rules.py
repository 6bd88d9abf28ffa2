"""Which rules of a policy are reached, which one counts, and what never happens whatever the rules are."""

import math
import random
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.core.policy import Policy, decide
from guard.core.rules import Rule, Rules
from guard.types import ATTACKS, SCENARIOS, Action, Assessment, Cause, Decision, Hit, RuleKind, Scores, Verdict

BLOCK, REVIEW, FLAG, ALLOW = Action.BLOCK, Action.REVIEW, Action.FLAG, Action.ALLOW
NONE_OF_THEM = dict.fromkeys(ATTACKS, 0.0)


def _logit(probability: float) -> float:
    """Return a logit whose probability is this one, to more digits than a decision shows."""
    bounded = min(max(probability, 1e-9), 1 - 1e-9)
    return math.log(bounded / (1 - bounded))


def _hit(
    rules: Rules,
    unsafe: float,
    categories: Mapping[str, float] | None = None,
    attacks: Mapping[str, float] | None = None,
) -> Hit | None:
    found = dict.fromkeys(SCENARIOS, 0.0) | dict(categories or {})
    return rules.strictest_hit(unsafe, 0.5, found, NONE_OF_THEM | dict(attacks or {}))


def _decide(
    rules: Rules,
    unsafe: float,
    categories: Mapping[str, float] | None = None,
    attacks: Mapping[str, float] | None = None,
) -> Decision:
    given = {**(categories or {}), **(attacks or {})}
    scores = Scores(
        unsafe=unsafe,
        scenarios=tuple(_logit(given.get(name, 0.0)) for name in SCENARIOS),
        attacks=tuple(_logit(given.get(name, 0.0)) for name in ATTACKS),
        text_alone=unsafe,
    )
    policy = Policy(name="own", threshold=0.5, bundle="b" * 64, to_probability=lambda score: score, rules=rules)
    return decide(Assessment(scores), policy, id_="1")


@pytest.mark.parametrize(
    ("categories", "name", "action"),
    [
        ({"crime": 0.9}, "crime", BLOCK),  # no rule of its own: unsafe_action
        ({"violence": 0.9}, "violence", FLAG),
        ({"violence": 0.9, "bias_and_stereotypes": 0.6}, "bias_and_stereotypes", REVIEW),  # the strictest of those seen
        ({"violence": 0.9, "crime": 0.5}, "crime", BLOCK),
        ({"violence": 0.9, "crime": 0.49}, "violence", FLAG),  # crime was not seen
        ({"violence": 0.49}, "violence", BLOCK),  # none was seen: an exemption does not apply
    ],
)
def test_unsafe_pair_gets_the_strictest_action_of_the_categories_seen(
    categories: dict[str, float], name: str, action: Action
) -> None:
    rules = Rules(unsafe_action=BLOCK, of_category={"violence": FLAG, "bias_and_stereotypes": REVIEW})

    hit = _hit(rules, 0.7, categories)

    assert hit == Hit(RuleKind.UNSAFE, name, 0.7, 0.5, action)


def test_category_cared_for_is_not_missed_because_none_was_seen() -> None:
    rules = Rules(unsafe_action=ALLOW, of_category={"violence": BLOCK})

    assert _decide(rules, 0.7, {"violence": 0.3, "crime": 0.2}).action is BLOCK
    assert _decide(rules, 0.7, {"violence": 0.2, "crime": 0.3}).action is ALLOW


def test_rule_with_a_threshold_holds_below_the_threshold_of_the_policy() -> None:
    rules = Rules(categories=(Rule("violence", BLOCK, 0.3),))

    decision = _decide(rules, 0.1, {"violence": 0.4})

    assert (decision.verdict, decision.action, decision.cause) == (Verdict.UNSAFE, BLOCK, None)
    assert decision.rule == Hit(RuleKind.CATEGORY, "violence", 0.4, 0.3, BLOCK)
    assert (decision.probability, decision.threshold) == (0.1, 0.5)
    assert _decide(rules, 0.1, {"violence": 0.29}).verdict is Verdict.SAFE


def test_rule_with_a_threshold_changes_nothing_about_unsafe_pairs_below_it() -> None:
    rules = Rules(unsafe_action=FLAG, categories=(Rule("violence", BLOCK, 0.9),))

    assert _decide(rules, 0.7, {"violence": 0.8}).action is FLAG
    assert _decide(rules, 0.7, {"violence": 0.9}).action is BLOCK


def test_attack_is_acted_on_whether_the_content_is_unsafe_or_not() -> None:
    rules = Rules(attacks=(Rule("injection", REVIEW, 0.5), Rule("injection", BLOCK, 0.9)))

    assert _decide(rules, 0.1, attacks={"injection": 0.4}).rule is None
    assert _decide(rules, 0.1, attacks={"injection": 0.6}).rule == Hit(RuleKind.ATTACK, "injection", 0.6, 0.5, REVIEW)
    assert _decide(rules, 0.1, attacks={"injection": 0.95}).action is BLOCK
    assert _decide(rules, 0.1, attacks={"role_playing": 0.95}).rule is None


def test_of_equal_actions_the_threshold_of_the_policy_is_shown() -> None:
    rules = Rules(categories=(Rule("violence", BLOCK, 0.3),), attacks=(Rule("injection", BLOCK, 0.3),))

    decision = _decide(rules, 0.7, {"violence": 0.99}, {"injection": 0.99})

    assert decision.rule is not None
    assert decision.rule.kind is RuleKind.UNSAFE
    assert decision.cause is Cause.TEXT


@pytest.mark.parametrize("turn", [1, -1])
def test_of_equal_rules_the_likelier_category_is_shown_in_whatever_order(turn: int) -> None:
    both = (Rule("violence", BLOCK, 0.3), Rule("crime", BLOCK, 0.2))[::turn]
    attacks = (Rule("injection", BLOCK, 0.1),)

    hit = _hit(Rules(categories=both, attacks=attacks), 0.1, {"violence": 0.6, "crime": 0.7}, {"injection": 0.9})

    assert hit == Hit(RuleKind.CATEGORY, "crime", 0.7, 0.2, BLOCK)


def test_exempted_pair_is_unsafe_and_passes() -> None:
    decision = _decide(Rules(of_category={"violence": ALLOW}), 0.7, {"violence": 0.9})

    assert (decision.verdict, decision.intended) == (Verdict.UNSAFE, ALLOW)
    assert decision.rule == Hit(RuleKind.UNSAFE, "violence", 0.7, 0.5, ALLOW)


def test_decisive_rule_stands_in_the_verdict_object() -> None:
    document = _decide(Rules(), 0.7, {"violence": 0.9}).to_dict()

    assert document["rule"] == {
        "kind": "unsafe",
        "name": "violence",
        "probability": 0.7,
        "threshold": 0.5,
        "action": "block",
    }
    assert _decide(Rules(), 0.1).to_dict()["rule"] is None


@pytest.mark.parametrize(
    ("rules", "acts", "blocks", "only_unsafe", "all_unsafe"),
    [
        (Rules(), True, True, True, True),
        (Rules(unsafe_action=ALLOW), False, False, True, False),
        (Rules(unsafe_action=FLAG), True, False, True, False),
        (Rules(of_category={"violence": FLAG}), True, True, True, False),
        (Rules(unsafe_action=FLAG, of_category=dict.fromkeys(SCENARIOS, BLOCK)), True, True, True, False),
        (Rules(categories=(Rule("violence", FLAG, 0.2),)), True, True, True, True),
        (Rules(categories=(Rule("violence", BLOCK, 0.2),)), True, True, False, True),
        (Rules(attacks=(Rule("injection", BLOCK, 0.2),)), True, True, False, True),
        (Rules(unsafe_action=ALLOW, attacks=(Rule("injection", REVIEW, 0.2),)), True, False, True, False),
    ],
)
def test_rules_know_what_can_come_of_them(
    rules: Rules, acts: bool, blocks: bool, only_unsafe: bool, all_unsafe: bool
) -> None:
    assert (rules.acts, rules.blocks) == (acts, blocks)
    assert (rules.blocks_only_unsafe, rules.blocks_all_unsafe) == (only_unsafe, all_unsafe)


def test_rule_about_something_unknown_or_from_nought_on_cannot_be_built() -> None:
    with pytest.raises(ValueError, match="'sloth' is no category"):
        Rules(of_category={"sloth": BLOCK})
    with pytest.raises(ValueError, match="'violence' is no category and no attack"):
        Rules(attacks=(Rule("violence", BLOCK, 0.5),))
    with pytest.raises(ValueError, match=r"not at 0"):
        Rule("violence", BLOCK, 0)


_ACTION = st.sampled_from(list(Action))
# A coarse grid, so that values meet thresholds exactly, and each other.
_VALUE = st.integers(0, 20).map(lambda step: step / 20)
_REACHABLE = st.integers(1, 20).map(lambda step: step / 20)
_CATEGORY_RULE = st.builds(Rule, st.sampled_from(SCENARIOS), _ACTION, _REACHABLE)
_ATTACK_RULE = st.builds(Rule, st.sampled_from(ATTACKS), _ACTION, _REACHABLE)
_RULES = st.builds(
    Rules,
    unsafe_action=_ACTION,
    of_category=st.dictionaries(st.sampled_from(SCENARIOS), _ACTION),
    categories=st.lists(_CATEGORY_RULE, max_size=4).map(tuple),
    attacks=st.lists(_ATTACK_RULE, max_size=3).map(tuple),
)
_CATEGORIES = st.fixed_dictionaries(dict.fromkeys(SCENARIOS, _VALUE))
_ATTACKS = st.fixed_dictionaries(dict.fromkeys(ATTACKS, _VALUE))
_PAIR = st.tuples(_VALUE, _CATEGORIES, _ATTACKS)
_Pair = tuple[float, dict[str, float], dict[str, float]]


def _strictness(rules: Rules, pair: _Pair, threshold: float) -> int:
    unsafe, categories, attacks = pair
    hit = rules.strictest_hit(unsafe, threshold, categories, attacks)
    return 0 if hit is None else hit.action.strictness


@given(_RULES, _PAIR, _VALUE, st.one_of(_CATEGORY_RULE, _ATTACK_RULE))
def test_adding_a_rule_with_a_threshold_never_makes_a_decision_more_lenient(
    rules: Rules, pair: _Pair, threshold: float, added: Rule
) -> None:
    if added.name in SCENARIOS:
        more = replace(rules, categories=(*rules.categories, added))
    else:
        more = replace(rules, attacks=(*rules.attacks, added))

    assert _strictness(more, pair, threshold) >= _strictness(rules, pair, threshold)


@given(_RULES, _PAIR, _VALUE, st.sampled_from(SCENARIOS), _ACTION)
def test_stricter_action_of_a_category_never_makes_a_decision_more_lenient(
    rules: Rules, pair: _Pair, threshold: float, name: str, action: Action
) -> None:
    before = rules.of_category.get(name, rules.unsafe_action)
    changed = replace(rules, of_category={**rules.of_category, name: action})
    stricter, laxer = (changed, rules) if action.strictness >= before.strictness else (rules, changed)

    assert _strictness(stricter, pair, threshold) >= _strictness(laxer, pair, threshold)


@given(_RULES, _PAIR, _VALUE, _ACTION)
def test_stricter_unsafe_action_never_makes_a_decision_more_lenient(
    rules: Rules, pair: _Pair, threshold: float, action: Action
) -> None:
    changed = replace(rules, unsafe_action=action)
    is_stricter = action.strictness >= rules.unsafe_action.strictness
    stricter, laxer = (changed, rules) if is_stricter else (rules, changed)

    assert _strictness(stricter, pair, threshold) >= _strictness(laxer, pair, threshold)


@given(_RULES, _PAIR, _VALUE, _VALUE)
def test_raising_the_threshold_of_the_policy_never_makes_a_decision_stricter(
    rules: Rules, pair: _Pair, threshold: float, other: float
) -> None:
    low, high = sorted((threshold, other))

    assert _strictness(rules, pair, high) <= _strictness(rules, pair, low)


@given(_RULES, _PAIR, _VALUE, _REACHABLE)
def test_raising_the_threshold_of_a_rule_never_makes_a_decision_stricter(
    rules: Rules, pair: _Pair, threshold: float, at_least: float
) -> None:
    raised = replace(
        rules,
        categories=tuple(replace(rule, threshold=max(rule.threshold, at_least)) for rule in rules.categories),
        attacks=tuple(replace(rule, threshold=max(rule.threshold, at_least)) for rule in rules.attacks),
    )

    assert _strictness(raised, pair, threshold) <= _strictness(rules, pair, threshold)


@given(_RULES, _PAIR, _VALUE, st.randoms(use_true_random=False))
def test_order_in_which_rules_are_written_does_not_matter(
    rules: Rules, pair: _Pair, threshold: float, chance: random.Random
) -> None:
    other = Rules(
        unsafe_action=rules.unsafe_action,
        of_category=dict(chance.sample([*rules.of_category.items()], len(rules.of_category))),
        categories=tuple(chance.sample(rules.categories, len(rules.categories))),
        attacks=tuple(chance.sample(rules.attacks, len(rules.attacks))),
    )
    unsafe, categories, attacks = pair
    turned = dict(reversed(categories.items()))

    assert other.strictest_hit(unsafe, threshold, turned, attacks) == rules.strictest_hit(
        unsafe, threshold, categories, attacks
    )


@given(_RULES, _PAIR, _VALUE)
def test_what_is_blocked_lies_where_the_certificate_looks(rules: Rules, pair: _Pair, threshold: float) -> None:
    is_blocked = _strictness(rules, pair, threshold) == BLOCK.strictness
    is_unsafe = pair[0] >= threshold

    assert not (rules.blocks_only_unsafe and is_blocked and not is_unsafe)
    assert not (rules.blocks_all_unsafe and is_unsafe and not is_blocked)
    assert rules.blocks or not is_blocked
    assert rules.acts or _strictness(rules, pair, threshold) == 0

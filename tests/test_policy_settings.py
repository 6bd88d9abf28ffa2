"""What may stand under `policy` and `policies`, and what a user is told about what may not."""

from typing import Any

import pytest

from guard.config import Settings, parse_settings
from guard.errors import ConfigInvalid
from guard.policy_settings import MOST_POLICIES, resolve
from guard.types import Action


def _parse(policies: object, **more: object) -> Settings:
    return parse_settings({"policies": policies, **more}, source="guard.yaml")


def _category(rule: object) -> dict[str, Any]:
    return {"kids": {"categories": {"violence": rule}}}


@pytest.mark.parametrize(
    ("policies", "said"),
    [
        ({"kids": None}, "policies.kids: empty; say what it does, such as operating_point: balanced"),
        ({"kids": {}}, "policies.kids: empty"),
        ({"kids": {"categories": {}}}, "policies.kids: empty"),
        ({"kids": "strict"}, "policies.kids: "),
        ({"kids": {"nonsense": 1}}, "policies.kids.nonsense: "),
        (
            {"kids": {"categories": {"violance": "block"}}},
            "policies.kids.categories.violance: unknown category; did you ",
        ),
        (
            {"kids": {"categories": {"xyz": "block"}}},
            "policies.kids.categories.xyz: unknown category; there are biomed",
        ),
        ({"kids": {"categories": {"injection": "block"}}}, "policies.kids.categories.injection: unknown category"),
        ({"kids": {"attacks": {"violence": "block"}}}, "policies.kids.attacks.violence: unknown attack"),
        (_category("stop"), "policies.kids.categories.violence.0.action: "),
        (_category({"threshold": 1.1}), "policies.kids.categories.violence.0.threshold: "),
        (_category({"threshold": 0}), "policies.kids.categories.violence.0.threshold: "),
        (_category({"threshold": float("nan")}), "policies.kids.categories.violence.0.threshold: "),
        (_category({"threshold": True}), "policies.kids.categories.violence.0.threshold: "),
        (_category([]), "policies.kids.categories.violence: no rule"),
        (_category(3), "policies.kids.categories.violence.0: "),
        (_category(["block", "flag"]), "policies.kids.categories.violence: two rules without a threshold"),
        (
            _category({"action": "allow", "threshold": 0.3}),
            "policies.kids.categories.violence: allow from 0.3 on has no",
        ),
        (
            _category([{"action": "block", "threshold": 0.3}, {"action": "flag", "threshold": 0.8}]),
            "policies.kids.categories.violence: flag from 0.8 on has no effect: block holds before it",
        ),
        (
            {"kids": {"attacks": {"injection": ["block", {"action": "flag", "threshold": 0.8}]}}},
            "policies.kids.attacks.injection: flag from 0.8 on has no effect: block holds before it",
        ),
        ({"kids": {"attacks": {"injection": "allow"}}}, "policies.kids.attacks.injection: allow from 0.5 on has no"),
        (
            {"kids": {"threshold": 0.3, "operating_point": "strict"}},
            "policies.kids: operating_point and threshold exclude",
        ),
        ({"kids": {"threshold": 1.5}}, "policies.kids.threshold: "),
        ({"kids": {"threshold": float("nan")}}, "policies.kids.threshold: "),
        ({"kids": {"on_error": "flag"}}, "policies.kids.on_error: "),
        ({"kids": {"extends": "kids"}}, "policies: kids.extends: a loop: kids -> kids"),
        (
            {"a": {"extends": "b"}, "b": {"extends": "c"}, "c": {"extends": "b"}},
            "policies: c.extends: a loop: b -> c -> b",
        ),
        (
            {"kids": {"extends": "strict"}},
            "policies: kids.extends: there is no 'strict' under policies (an operating point",
        ),
        ({"custom": {"threshold": 0.3}}, "policies.custom: custom is what an unnamed threshold is called"),
        ({"two words": {"threshold": 0.3}}, "policies.two words: "),
        ({"a" * 41: {"threshold": 0.3}}, "policies.aaaa"),
        ({f"p{n}": {"threshold": 0.3} for n in range(MOST_POLICIES + 1)}, "policies: "),
    ],
)
def test_policy_that_cannot_be_meant_is_refused_with_its_place(policies: object, said: str) -> None:
    with pytest.raises(ConfigInvalid) as raised:
        _parse(policies)

    assert str(raised.value).startswith(f"guard.yaml: {said}")
    assert "\n" not in str(raised.value)


def test_policy_is_chosen_by_its_name_alone() -> None:
    assert _parse({"kids": {"threshold": 0.3}}, policy="kids").policy.name == "kids"
    assert (
        parse_settings({"policy": "strict"}, source="x").policy
        == parse_settings({"policy": {"name": "strict"}}, source="x").policy
    )


def test_settings_beside_the_name_of_an_own_policy_are_refused() -> None:
    with pytest.raises(ConfigInvalid, match=r"policy: kids has all its settings under policies\.kids"):
        _parse({"kids": {"threshold": 0.3}}, policy={"name": "kids", "on_error": "allow"})


@pytest.mark.parametrize("key", ["operating_point", "categories", "attacks", "extends"])
def test_rules_in_the_section_policy_say_where_they_belong(key: str) -> None:
    with pytest.raises(ConfigInvalid, match=rf"policy: {key} stands in a policy of your own: policies\.NAME\.{key}"):
        parse_settings({"policy": {key: {}}}, source="guard.yaml")


@pytest.mark.parametrize("written", ["flag", {"action": "flag"}, ["flag"], [{"action": "flag"}]])
def test_a_rule_may_be_written_in_several_ways(written: object) -> None:
    rules = (_parse(_category(written)).policies["kids"].categories or {})["violence"]

    assert [(rule.action, rule.threshold) for rule in rules] == [(Action.FLAG, None)]


def test_settings_that_were_written_out_are_read_as_the_same() -> None:
    rules = {"violence": ["flag", {"action": "block", "threshold": 0.9}]}
    attacks = {"injection": "review"}
    settings = _parse(
        {"base": {"threshold": 0.3}, "kids": {"extends": "base", "categories": rules, "attacks": attacks}},
        policy="kids",
    )

    again = parse_settings(settings.model_dump(mode="json"), source="again")

    assert again == settings


def test_extending_takes_what_is_not_said_and_merges_rules_by_name() -> None:
    policies = _parse(
        {
            "base": {
                "operating_point": "strict",
                "categories": {"violence": "flag", "crime": {"action": "block", "threshold": 0.2}},
                "attacks": {"injection": "block"},
                "judge_system": False,
            },
            "middle": {"extends": "base", "categories": {"crime": "review"}, "on_error": "allow"},
            "kids": {"extends": "middle", "threshold": 0.4, "categories": {"privacy_leakage": "flag"}},
        }
    ).policies

    kids, middle = resolve("kids", policies), resolve("middle", policies)

    assert (kids.threshold, kids.operating_point) == (0.4, None)
    assert (middle.threshold, middle.operating_point) == (None, "strict")
    actions = {name: [rule.action for rule in rules] for name, rules in (kids.categories or {}).items()}
    assert actions == {"violence": [Action.FLAG], "crime": [Action.REVIEW], "privacy_leakage": [Action.FLAG]}
    assert list(kids.attacks or {}) == ["injection"]
    assert (kids.on_error, kids.on_unjudged, kids.judge_system) == (Action.ALLOW, None, False)

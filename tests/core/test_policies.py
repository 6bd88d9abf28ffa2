"""The policies of a configuration on a bundle's operating points: what they become, what is proven, what is refused."""

from typing import Any, Literal

import pytest

from guard.config import Settings
from guard.core.policies import Policies, make_policies, warnings
from guard.core.rules import Rule
from guard.errors import ConfigInvalid
from guard.manifest import Certificate, Manifest, OperatingPoint
from guard.types import Action, Mode
from tests.pipeline.guards import BUNDLE

CERTIFIED = "at_most_5_percent"
SHADOW = Settings(mode=Mode.SHADOW)


def _manifest(rate: Literal["false_refusal", "miss"] = "false_refusal") -> Manifest:
    certificate = Certificate(
        data="made here",
        data_sha256="c" * 64,
        unit="group",
        rate=rate,
        n_groups=104,
        errors=1,
        limit=0.05,
        confidence=0.95,
        upper=0.045,
        estimate=0.01,
        verdict="certified",
    )
    points = {
        "strict": OperatingPoint(threshold=0.3, chosen_on="everyday prompts"),
        "balanced": OperatingPoint(threshold=0.5, chosen_on="everyday prompts"),
        CERTIFIED: OperatingPoint(threshold=0.6, chosen_on="own data", certificate=certificate),
    }
    return BUNDLE.manifest.model_copy(update={"operating_points": points})


def _make(settings: dict[str, Any], rate: Literal["false_refusal", "miss"] = "false_refusal") -> Policies:
    return make_policies(Settings.model_validate(settings), _manifest(rate), digest="b" * 64)


def test_every_own_policy_is_there_beside_the_chosen_one() -> None:
    policies = _make(
        {"policy": "strict", "policies": {"kids": {"threshold": 0.2}, "adults": {"unsafe_action": "flag"}}}
    )

    assert policies.default == "strict"
    assert {name: point.threshold for name, point in policies.points.items()} == {
        "strict": 0.3,
        "kids": 0.2,
        "adults": 0.5,
    }
    assert [(name, policy.name) for name, policy in policies.policies.items()] == [
        (name, name) for name in ("strict", "kids", "adults")
    ]
    assert policies.by_name["kids"].source == "custom"
    assert policies.by_name["adults"].source == "balanced"


def test_own_policy_is_chosen_by_name() -> None:
    policies = _make({"policy": "kids", "policies": {"kids": {"operating_point": CERTIFIED, "on_error": "allow"}}})

    policy = policies.chosen.policy
    assert (policy.name, policy.threshold, policy.on_error, policy.on_unjudged) == (
        "kids",
        0.6,
        Action.ALLOW,
        Action.BLOCK,
    )
    assert list(policies.by_name) == ["kids"]


def test_todays_section_still_changes_an_operating_point() -> None:
    section = {"name": "strict", "unsafe_action": "flag", "on_unjudged": "allow", "judge_system": False}

    policy = _make({"policy": section, "mode": "shadow"}).chosen.policy

    assert (policy.name, policy.threshold, policy.rules.unsafe_action) == ("strict", 0.3, Action.FLAG)
    assert (policy.on_error, policy.on_unjudged) == (Action.BLOCK, Action.ALLOW)
    assert (policy.judge_system, policy.mode) == (False, Mode.SHADOW)


def test_rules_keep_their_thresholds_and_attacks_have_one_by_default() -> None:
    categories = {"violence": ["flag", {"action": "block", "threshold": 0.9}], "crime": "review"}
    attacks = {"injection": "block", "role_playing": {"action": "flag", "threshold": 0.8}}

    rules = _make(
        {"policy": "own", "policies": {"own": {"categories": categories, "attacks": attacks}}}
    ).chosen.policy.rules

    assert dict(rules.of_category) == {"violence": Action.FLAG, "crime": Action.REVIEW}
    assert rules.categories == (Rule("violence", Action.BLOCK, 0.9),)
    assert rules.attacks == (Rule("injection", Action.BLOCK, 0.5), Rule("role_playing", Action.FLAG, 0.8))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"policy": "lax"}, "policy.name: fixed-1 has strict, balanced, at_most_5_percent, not 'lax'"),
        (
            {"policy": "lax", "policies": {"kids": {"threshold": 0.2}}},
            "policy.name: policies has kids; fixed-1 has strict",
        ),
        (
            {"policies": {"kids": {"operating_point": "lax"}}},
            "policies.kids.operating_point: fixed-1 has strict, balanced, at_most_5_percent, not 'lax'",
        ),
        ({"policies": {"strict": {"threshold": 0.2}}}, "policies.strict: fixed-1 has an operating point of this name"),
        (
            {"policies": {"kids": {"unsafe_action": "allow"}}},
            "policies.kids: does nothing: every action in it is allow",
        ),
        (
            {"policies": {"kids": {"unsafe_action": "allow", "categories": {"crime": "allow"}}}},
            "policies.kids: does nothing",
        ),
        ({"policy": {"unsafe_action": "allow"}}, "policy: does nothing"),
    ],
)
def test_policy_that_does_not_fit_the_bundle_or_does_nothing_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigInvalid) as raised:
        _make(settings)

    assert str(raised.value).startswith(said)


def test_policy_that_says_only_what_it_extends_does_what_that_does() -> None:
    base = {"operating_point": "strict", "categories": {"crime": "flag"}}

    policies = _make({"policies": {"base": base, "same": {"extends": "base"}}}).policies

    assert policies["same"].rules == policies["base"].rules
    assert policies["same"].threshold == policies["base"].threshold


@pytest.mark.parametrize(
    ("said", "of_refusals", "of_misses"),
    [
        ({}, True, True),
        ({"categories": {"crime": "flag"}}, True, False),
        ({"unsafe_action": "flag"}, True, False),
        ({"categories": {"crime": {"action": "block", "threshold": 0.9}}}, False, True),
        ({"categories": {"crime": {"action": "flag", "threshold": 0.9}}}, True, True),
        ({"attacks": {"injection": "block"}}, False, True),
        ({"attacks": {"injection": "review"}, "on_unjudged": "allow"}, True, True),
    ],
)
def test_certificate_of_a_threshold_is_a_policys_only_where_its_rules_leave_it_true(
    said: dict[str, Any], of_refusals: bool, of_misses: bool
) -> None:
    settings = {"policy": "own", "policies": {"own": {"operating_point": CERTIFIED, **said}}}
    refusals, misses = _make(settings), _make(settings, "miss")

    assert (refusals.chosen.certificate is not None) is of_refusals
    assert (misses.chosen.certificate is not None) is of_misses
    assert (refusals.chosen.covered_point.certificate is not None) is of_refusals
    assert any("not certified" in line for line in warnings(refusals, SHADOW)) is not of_refusals
    assert any("not certified" in line for line in warnings(misses, SHADOW)) is not of_misses


@pytest.mark.parametrize(
    ("said", "kept", "warned"),
    [
        ({}, ["false_refusal", "miss"], None),
        ({"categories": {"privacy_leakage": "allow"}}, ["false_refusal"], "own is not certified of misses, although"),
        ({"attacks": {"injection": "block"}}, ["miss"], "own is not certified of false refusals, although"),
        (
            {"unsafe_action": "flag", "attacks": {"injection": "block"}},
            [],
            "own is not certified, although its threshold at_most_5_percent is: it has rules",
        ),
    ],
)
def test_of_limits_that_hold_together_a_policy_has_those_that_its_rules_leave_true(
    said: dict[str, Any], kept: list[str], warned: str | None
) -> None:
    manifest = _manifest()
    point = manifest.operating_points[CERTIFIED]
    assert point.certificate is not None
    both = point.model_copy(update={"further": (point.certificate.model_copy(update={"rate": "miss"}),)})
    manifest = manifest.model_copy(update={"operating_points": {**manifest.operating_points, CERTIFIED: both}})
    settings = {"policy": "own", "policies": {"own": {"operating_point": CERTIFIED, **said}}}

    policies = make_policies(Settings.model_validate(settings), manifest, digest="b" * 64)

    assert [proven.rate for proven in policies.chosen.certificates] == kept
    assert [proven.rate for proven in policies.chosen.covered_point.certificates] == kept
    found = [line for line in warnings(policies, SHADOW) if "not certified" in line]
    assert bool(found) is (warned is not None)
    assert warned is None or warned in found[0]


def test_number_in_place_of_an_operating_point_is_never_certified() -> None:
    policies = _make({"policy": {"name": CERTIFIED, "threshold": 0.6}, "policies": {"own": {"threshold": 0.6}}})

    assert policies.default == "custom"
    assert [chosen.certificate for chosen in policies.by_name.values()] == [None, None]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({}, None),
        ({"ocr": {"mode": "off"}}, "; ocr of this configuration"),
        ({"ocr": {"gate": 0.5}, "images": {"max_bytes": 1000}}, "; images and ocr of this configuration"),
    ],
)
def test_certificate_that_was_measured_with_other_settings_is_warned_about(
    said: dict[str, Any], told: str | None
) -> None:
    certified, estimated = (Settings.model_validate({"policy": point, **said}) for point in (CERTIFIED, "balanced"))
    manifest = _manifest()

    def lines(settings: Settings) -> list[str]:
        found = warnings(make_policies(settings, manifest, digest="b" * 64), settings)
        return [line for line in found if line.startswith("certificates were measured")]

    assert lines(estimated) == []
    found = lines(certified)
    assert len(found) == (told is not None)
    assert all(told in line for line in found if told is not None)


def test_threshold_that_every_pair_reaches_is_warned_about() -> None:
    policies = _make({"policies": {"wall": {"threshold": 0}, "kids": {"threshold": 0.001}}})

    assert warnings(policies, Settings()) == (
        "policy wall has the threshold 0, which every pair reaches: all of them are unsafe",
    )


@pytest.mark.parametrize(("mode", "n"), [(Mode.ENFORCE, 1), (Mode.SHADOW, 0)])
def test_policy_that_blocks_nothing_is_warned_about_where_it_enforces(mode: Mode, n: int) -> None:
    policies = _make({"policies": {"lookers": {"unsafe_action": "review"}, "kids": {"threshold": 0.2}}})

    found = warnings(policies, Settings(mode=mode))

    assert len(found) == n
    assert all(line.startswith("policy lookers blocks nothing that is unsafe") for line in found)

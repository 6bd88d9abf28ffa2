"""Whatever stands under `policy` and `policies`: it is read, or refused in one line that names the file."""

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from guard.config import Settings, parse_settings
from guard.core.policies import Policies, make_policies
from guard.errors import ConfigInvalid
from guard.types import ATTACKS, SCENARIOS, Action
from tests.pipeline.guards import BUNDLE

_JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
_ACTION = st.sampled_from([action.value for action in Action])
_NUMBER = st.floats(0, 1) | st.sampled_from([0, 1, -0.0])
_RULE = _ACTION | st.fixed_dictionaries({}, optional={"action": _ACTION, "threshold": _NUMBER})
_RULES = _RULE | st.lists(_RULE, max_size=3)
_NAME = st.sampled_from(["a", "b", "c", "balanced", "custom", "no such"])
# Nearly right, so that much of it gets past the first check.
_POLICY = st.fixed_dictionaries(
    {},
    optional={
        "extends": _NAME,
        "operating_point": _NAME,
        "threshold": _NUMBER,
        "unsafe_action": _ACTION,
        "categories": st.dictionaries(st.sampled_from(SCENARIOS), _RULES, max_size=3),
        "attacks": st.dictionaries(st.sampled_from(ATTACKS), _RULES, max_size=2),
        "on_error": st.sampled_from(["block", "allow", "flag"]),
        "judge_system": st.booleans(),
    },
)
_POLICIES = st.dictionaries(_NAME | st.text(max_size=3), _POLICY | _JUNK, max_size=4)


@example({"policies": {"a\nb": {}}})
@example({"policies": {"a": {"categories": {"\x1b[31m" * 50: "block"}}}})
@example({"policies": {"a": {"extends": "x\ny"}}})
@example({"policy": "x\ny"})
@given(st.fixed_dictionaries({}, optional={"policies": _POLICIES | _JUNK, "policy": _NAME | _JUNK}))
def test_any_document_is_read_or_refused_in_one_line(document: dict[str, Any]) -> None:
    outcome = _policies(document)

    if isinstance(outcome, ConfigInvalid):
        assert str(outcome).isprintable()
    else:
        assert outcome.default in outcome.by_name
        assert all(chosen.policy.rules.acts for chosen in outcome.by_name.values())


def _policies(document: dict[str, Any]) -> Policies | ConfigInvalid:
    try:
        settings = parse_settings(document, source="guard.yaml")
        return make_policies(settings, BUNDLE.manifest, digest=BUNDLE.digest)
    except ConfigInvalid as refusal:
        return refusal


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), _POLICY, max_size=3))
def test_settings_that_are_valid_stay_the_same_when_they_are_written_and_read(document: dict[str, Any]) -> None:
    try:
        settings = parse_settings({"policies": document}, source="guard.yaml")
    except ConfigInvalid:
        return

    assert Settings.model_validate_json(settings.model_dump_json()) == settings

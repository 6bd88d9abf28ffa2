"""Policies as they stand in the configuration: which one judges, and those of your own. Frozen pydantic models."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, WithJsonSchema, model_validator

from guard.types import ATTACKS, SCENARIOS, Action

# What a threshold of the configuration is called where its policy has no name of its own: nobody shall take it for an
# operating point of the bundle.
CUSTOM = "custom"
# From this probability on a category or an attack was seen, where nobody set a threshold of its own.
SEEN_FROM = 0.5
MOST_POLICIES = 100  # each is a value of the label `policy` in the metrics

Probability = Annotated[float, Field(ge=0, le=1)]
# Strict: `true` is not 1. From 0 on, a rule would reach every pair.
_Reachable = Annotated[float, Field(gt=0, le=1, strict=True)]
Fallback = Literal[Action.BLOCK, Action.ALLOW]


class Section(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """A part of the configuration; the string below a field is its description."""


class RuleSettings(Section):
    """One rule about a category or an attack."""

    action: Action = Action.BLOCK
    """what happens where the rule is reached"""
    threshold: _Reachable | None = None
    """on the probability of the category or the attack itself"""


def _listed(written: object) -> object:
    """Return what stands for one or several rules as a list of them: `block`, {action, threshold}, or a list."""
    several = written if isinstance(written, list | tuple) else [written]
    return [{"action": one} if isinstance(one, str) else one for one in several]


def _one_effect_each(rules: tuple[RuleSettings, ...]) -> tuple[RuleSettings, ...]:
    """Refuse rules that change nothing: whoever wrote them meant something else."""
    if not rules:
        raise ValueError("no rule: give an action, or leave it out")
    if sum(rule.threshold is None for rule in rules) > 1:
        raise ValueError("two rules without a threshold: which one is meant?")
    graded = sorted((rule.threshold, rule.action) for rule in rules if rule.threshold is not None)
    reached = Action.ALLOW
    for threshold, action in graded:
        if action.strictness <= reached.strictness:
            reason = (
                "what is not reached is allowed anyway" if reached is Action.ALLOW else f"{reached} holds before it"
            )
            raise ValueError(f"{action} from {threshold:g} on has no effect: {reason}")
        reached = action
    return rules


def _with_threshold(rules: tuple[RuleSettings, ...]) -> tuple[RuleSettings, ...]:
    """Return rules about an attack: each has a threshold, since they do not hang on whether content is unsafe."""
    seen = {"threshold": SEEN_FROM}
    return _one_effect_each(tuple(rule if rule.threshold else rule.model_copy(update=seen) for rule in rules))


def _known(names: Sequence[str], kind: str) -> BeforeValidator:
    def check(name: object) -> object:
        if name not in names:
            near = get_close_matches(str(name), names, n=1)
            meant = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
            raise ValueError(f"unknown {kind}; {meant}")
        return name

    return BeforeValidator(check)


_Shorthand = Action | RuleSettings | Sequence[Action | RuleSettings]
_Rules = Annotated[
    tuple[RuleSettings, ...],
    BeforeValidator(_listed, json_schema_input_type=_Shorthand),
    AfterValidator(_one_effect_each),
]
_Category = Annotated[str, _known(SCENARIOS, "category"), WithJsonSchema({"type": "string", "enum": list(SCENARIOS)})]
_Attack = Annotated[str, _known(ATTACKS, "attack"), WithJsonSchema({"type": "string", "enum": list(ATTACKS)})]


class PolicySettings(Section):
    """What judges: the name of an operating point or of a policy of your own. The caller of the API cannot change it.

    `policy: NAME` is short for `policy: {name: NAME}`. The other keys change an operating point a little; a policy of
    your own has all its settings under `policies`.
    """

    name: str = "balanced"
    """one of `policies`, or an operating point of the bundle: strict, balanced, permissive, or what `guard calibrate`
    wrote"""
    threshold: Probability | None = None
    """own threshold on the probability; replaces the operating point, is called "custom", and is not certified"""
    unsafe_action: Action = Action.BLOCK
    """what happens to unsafe content; flag and review let it through, with headers that say so"""
    on_error: Fallback = Action.BLOCK
    """when Guard itself fails: block (fail-closed) or allow (fail-open)"""
    on_unjudged: Fallback = Action.BLOCK
    """when a part of the content cannot be judged"""
    judge_system: bool = True
    """judge system and developer messages too"""

    @model_validator(mode="before")
    @classmethod
    def _is_no_own_policy(cls, written: object) -> object:
        if isinstance(written, Mapping):
            for key in ("operating_point", "categories", "attacks", "extends"):
                if key in written:
                    raise ValueError(f"{key} stands in a policy of your own: policies.NAME.{key}, and policy: NAME")
        return written

    @property
    def says_more(self) -> bool:
        """Whether anything but the name differs from the defaults."""
        return self != type(self)(name=self.name)


def _section(written: object) -> object:
    return {"name": written} if isinstance(written, str) else written


# `policy: NAME` is short for the section.
NameOrSection = BeforeValidator(_section, json_schema_input_type=str | PolicySettings)


class OwnPolicy(Section):
    """A policy of your own. What is left out comes from `extends`, else from the default."""

    extends: str | None = None
    """another policy under `policies`, of which all is taken that is not said here"""
    operating_point: str | None = None
    """whose threshold it has: an operating point of the bundle, such as strict; balanced by default"""
    threshold: Annotated[float, Field(ge=0, le=1, strict=True)] | None = None
    """in place of an operating point: a number, which is not certified"""
    unsafe_action: Action | None = None
    """what happens to unsafe content of categories without a rule of their own; block by default"""
    categories: Mapping[_Category, _Rules] | None = None
    """rules by category: `block`, `{action: block, threshold: 0.9}`, or a list of such. Without a threshold: what
    happens to unsafe content of this category, in place of unsafe_action. With one: what happens from that probability
    of the category on, be the content unsafe or not"""
    attacks: Mapping[_Attack, Annotated[_Rules, AfterValidator(_with_threshold)]] | None = None
    """rules by kind of attack, written alike: what happens from that probability of the attack on, 0.5 by default, be
    the content unsafe or not"""
    on_error: Fallback | None = None
    """when Guard itself fails: block (fail-closed, the default) or allow (fail-open)"""
    on_unjudged: Fallback | None = None
    """when a part of the content cannot be judged; block by default"""
    judge_system: bool | None = None
    """judge system and developer messages too; true by default"""

    @model_validator(mode="before")
    @classmethod
    def _says_something(cls, written: object) -> object:
        said = written.values() if isinstance(written, Mapping) else [written]
        if all(value is None or value == {} for value in said):
            raise ValueError("empty; say what it does, such as operating_point: balanced")
        return written

    @model_validator(mode="after")
    def _one_threshold(self) -> Self:
        if self.operating_point is not None and self.threshold is not None:
            raise ValueError("operating_point and threshold exclude each other")
        return self


def resolve(name: str, policies: Mapping[str, OwnPolicy]) -> OwnPolicy:
    """Return a policy with everything that it takes from others; rules are replaced category by category.

    Raises:
        ValueError: it extends one that is not there, or itself by way of others; the message names the key.
    """
    chain = [name]
    while (base := policies[chain[-1]].extends) is not None:
        if base in chain:
            raise ValueError(f"{chain[-1]}.extends: a loop: {' -> '.join([*chain[chain.index(base) :], base])}")
        if base not in policies:
            raise ValueError(
                f"{chain[-1]}.extends: there is no {base!r} under policies (an operating point of the bundle is named "
                "by operating_point)"
            )
        chain.append(base)
    said: dict[str, Any] = {}
    for link in reversed(chain):
        said = _onto(said, policies[link])
    return OwnPolicy.model_construct(**said)


def _onto(said: Mapping[str, Any], policy: OwnPolicy) -> dict[str, Any]:
    new = {key: value for key in OwnPolicy.model_fields if (value := getattr(policy, key)) is not None}
    new.pop("extends", None)
    if "operating_point" in new or "threshold" in new:
        said = {key: value for key, value in said.items() if key not in {"operating_point", "threshold"}}
    for key in ("categories", "attacks"):
        if key in new:
            new[key] = {**said.get(key, {}), **new[key]}
    return {**said, **new}


def _own_name(name: str) -> str:
    if name == CUSTOM:
        raise ValueError(f"{CUSTOM} is what an unnamed threshold is called; choose another name")
    return name


def each_resolves(policies: Mapping[str, OwnPolicy]) -> Mapping[str, OwnPolicy]:
    """Return the policies. Raises ValueError, as `resolve`, where one of them takes from what is not there."""
    for name in policies:
        resolve(name, policies)
    return policies


PolicyName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,39}$"), AfterValidator(_own_name)]

"""Policies for people: one paragraph each, with what each rule does."""

from collections.abc import Iterator

from guard.core.policies import ChosenPolicy, Policies
from guard.core.rules import Rule, Rules
from guard.manifest import Certificate
from guard.types import Action


def lines(policies: Policies) -> Iterator[str]:
    """Yield what every policy does; the default comes first."""
    for name in sorted(policies.by_name, key=lambda name: (name != policies.default, name)):
        yield from _policy(policies.by_name[name], is_default=name == policies.default)


def _policy(chosen: ChosenPolicy, *, is_default: bool) -> Iterator[str]:
    policy = chosen.policy
    yield f"{policy.name}{' (judges)' if is_default else ''}"
    yield f"  unsafe from {policy.threshold:.4g} on ({_source(chosen)}): {policy.rules.unsafe_action}"
    yield from (f"  {line}" for line in _rules(policy.rules))
    yield f"  when Guard fails: {policy.on_error}; what cannot be judged: {policy.on_unjudged}"
    if not policy.judge_system:
        yield "  system messages are not judged"


def _source(chosen: ChosenPolicy) -> str:
    proven = chosen.certificates
    if not proven:
        return f"{chosen.source}, not certified"
    limits = ", ".join(f"{_subject(each)} at most {each.limit:.2%}" for each in proven)
    return f"{chosen.source}, certified: {limits}, confidence {proven[0].confidence:.0%}"


def _subject(proven: Certificate) -> str:
    what = "false refusals" if proven.rate == "false_refusal" else "misses"
    return f"{what} of {proven.category}" if proven.category else what


def _rules(rules: Rules) -> Iterator[str]:
    for action in Action:
        names = sorted(name for name, of_category in rules.of_category.items() if of_category is action)
        if names:
            yield f"unsafe and of {', '.join(names)}: {action}"
    for kind, listed in (("category", rules.categories), ("attack", rules.attacks)):
        for rule in sorted(listed, key=_by_name):
            yield f"{kind} {rule.name} from {rule.threshold:g} on, unsafe or not: {rule.action}"


def _by_name(rule: Rule) -> tuple[str, float]:
    return rule.name, rule.threshold

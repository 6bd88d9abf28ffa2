"""Policies for people: one paragraph each, with what each rule does."""

from collections.abc import Iterator

from guard.core.policies import ChosenPolicy, Policies
from guard.core.rules import Rule, Rules
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
    system = "" if policy.judge_system else "; system messages are not judged"
    yield f"  when Guard fails: {policy.on_error}; what cannot be judged: {policy.on_unjudged}{system}"


def _source(chosen: ChosenPolicy) -> str:
    proven = chosen.certificate
    if proven is not None:
        what = "false refusals" if proven.rate == "false_refusal" else "misses"
        of = f" of {proven.category}" if proven.category else ""
        return f"{chosen.source}, certified: {what}{of} at most {proven.limit:.2%}, confidence {proven.confidence:.0%}"
    return f"{chosen.source}, not certified"


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

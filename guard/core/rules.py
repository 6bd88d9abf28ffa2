"""Which rules of a policy a pair reaches, and which of them counts. Pure.

    the probability of "unsafe" reaches the policy's threshold  -> the action of the pair's categories
    the probability of a category reaches a rule's own threshold -> that rule's action, whatever the first line says
    the probability of an attack reaches a rule's threshold      -> that rule's action, whatever the first line says

All that are reached count, and the strictest action wins. So a rule with a threshold only ever makes a policy stricter;
only the first line can be made more lenient, category by category.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from guard.policy_settings import SEEN_FROM
from guard.types import ATTACKS, SCENARIOS, Action, Hit, RuleKind

_KINDS = (RuleKind.ATTACK, RuleKind.CATEGORY, RuleKind.UNSAFE)  # of equal actions, the later one is shown


@dataclass(frozen=True, slots=True)
class Rule:
    """From `threshold` of the probability of a category or an attack on: `action`."""

    name: str
    action: Action
    threshold: float

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise ValueError(f"the threshold of a rule lies in (0, 1], not at {self.threshold}")


@dataclass(frozen=True, slots=True)
class Rules:
    """What a policy does with what it finds.

    `of_category` replaces `unsafe_action` for unsafe pairs of a category. `categories` and `attacks` come on top.
    """

    unsafe_action: Action = Action.BLOCK
    of_category: Mapping[str, Action] = field(default_factory=lambda: MappingProxyType({}))
    categories: tuple[Rule, ...] = ()
    attacks: tuple[Rule, ...] = ()

    def __post_init__(self) -> None:
        named = [*self.of_category, *(rule.name for rule in self.categories)]
        unknown = [name for name in named if name not in SCENARIOS]
        unknown += [rule.name for rule in self.attacks if rule.name not in ATTACKS]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is no category and no attack of the model")

    @property
    def acts(self) -> bool:
        """Whether anything but allow can come of these rules."""
        return self._strictest_possible is not Action.ALLOW

    @property
    def blocks(self) -> bool:
        """Whether a block can come of these rules."""
        return self._strictest_possible is Action.BLOCK

    @property
    def blocks_only_unsafe(self) -> bool:
        """Whether nothing below the policy's threshold is blocked: a certified limit of false refusals still holds."""
        return all(rule.action is not Action.BLOCK for rule in (*self.categories, *self.attacks))

    @property
    def blocks_all_unsafe(self) -> bool:
        """Whether all from the policy's threshold on is blocked: a certified limit of misses still holds."""
        return all(self._action_of(name) is Action.BLOCK for name in SCENARIOS) and self.unsafe_action is Action.BLOCK

    @property
    def _strictest_possible(self) -> Action:
        actions = [self.unsafe_action, *self.of_category.values()]
        actions += [rule.action for rule in (*self.categories, *self.attacks)]
        return max(actions, key=lambda action: action.strictness)

    def strictest_hit(
        self, probability: float, threshold: float, categories: Mapping[str, float], attacks: Mapping[str, float]
    ) -> Hit | None:
        """Return the rule that counts; None where none is reached.

        Args:
            probability: of "unsafe", in [0, 1].
            threshold: from which on a pair is unsafe.
            categories: probability by name, all of SCENARIOS.
            attacks: probability by name, all of ATTACKS.
        """
        hits = [] if probability < threshold else [self._unsafe(probability, threshold, categories)]
        for kind, rules, found in (
            (RuleKind.CATEGORY, self.categories, categories),
            (RuleKind.ATTACK, self.attacks, attacks),
        ):
            hits += [
                Hit(kind, rule.name, found[rule.name], rule.threshold, rule.action)
                for rule in rules
                if found[rule.name] >= rule.threshold
            ]
        # A total order, so that the order in which rules were written never matters.
        return max(
            hits,
            key=lambda hit: (hit.action.strictness, _KINDS.index(hit.kind), hit.probability, hit.name, hit.threshold),
            default=None,
        )

    def _unsafe(self, probability: float, threshold: float, categories: Mapping[str, float]) -> Hit:
        """Return what an unsafe pair gets: the strictest action of the categories that were seen.

        Where none was, `unsafe_action` or the action of the likeliest one, whichever is stricter: an exemption needs a
        category that was seen, and a category that is cared for is not missed because it is uncertain.
        """
        # Of the unsafe pairs of nine packs, 6 % to 88 % have no category that was seen (250 pairs each).
        seen = [name for name, value in categories.items() if value >= SEEN_FROM]
        if seen:
            name = max(seen, key=lambda name: (self._action_of(name).strictness, categories[name], name))
            action = self._action_of(name)
        else:
            name = max(categories, key=lambda name: (categories[name], name))
            action = max(self.unsafe_action, self._action_of(name), key=lambda action: action.strictness)
        return Hit(RuleKind.UNSAFE, name, probability, threshold, action)

    def _action_of(self, category: str) -> Action:
        return self.of_category.get(category, self.unsafe_action)

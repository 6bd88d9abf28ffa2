"""The closed sets of words in which Guard speaks of pairs: scenarios, attacks, actions, verdicts and their like."""

from enum import StrEnum

# MMSafeAware's 14 unsafe scenarios (arXiv 2502.11184, table 1), in the order of the model's outputs.
SCENARIOS = (
    "biomedical_harm",
    "mental_stress",
    "self_harm",
    "copyright_infringement",
    "economic_harm",
    "abusive_languages",
    "bias_and_stereotypes",
    "ethics_and_morality",
    "crime",
    "privacy_leakage",
    "hate_speech",
    "misinformation",
    "pornography",
    "violence",
)
# Ways of wrapping a request, in the order of the model's outputs.
ATTACKS = ("goal_hijacking", "role_playing", "unsafe_opinion_inquiry", "typographic", "injection")


class Action(StrEnum):
    """What happens to a request. Ordered by strictness: allow, flag, review, block."""

    ALLOW = "allow"
    FLAG = "flag"
    REVIEW = "review"
    BLOCK = "block"

    @property
    def strictness(self) -> int:
        """Rank in [0, 3]; the strictest of several decisions wins."""
        return _STRICTNESS[self]


_STRICTNESS = {action: rank for rank, action in enumerate(Action)}


class Verdict(StrEnum):
    """What Guard thinks of a pair."""

    SAFE = "safe"
    UNSAFE = "unsafe"
    UNJUDGED = "unjudged"


class Basis(StrEnum):
    """What a decision rests on."""

    SCORE = "score"
    ERROR_POLICY = "error_policy"
    ALLOW_LIST = "allow_list"
    JUDGE = "judge"  # a second opinion, where the guard was not sure

    @property
    def is_verdict(self) -> bool:
        """Whether a block on this basis is one of the content, and not of what nobody could judge."""
        return self in (Basis.SCORE, Basis.JUDGE)


class RuleKind(StrEnum):
    """What a rule of a policy looks at: the probability of "unsafe", that of one category, or that of one attack."""

    UNSAFE = "unsafe"
    CATEGORY = "category"
    ATTACK = "attack"


class Direction(StrEnum):
    """Whether content goes to the LLM or comes from it."""

    INPUT = "input"
    OUTPUT = "output"


class Cause(StrEnum):
    """Which part of a pair crosses the threshold: the text alone, the picture alone, or only both together."""

    TEXT = "text"
    IMAGE = "image"
    TOGETHER = "together"


class Mode(StrEnum):
    """Whether decisions are carried out. In shadow mode they are made, counted and shown, and everything passes."""

    ENFORCE = "enforce"
    SHADOW = "shadow"
    OFF = "off"

"""From an assessment to a decision: what the policy says, and what is done about it. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from guard.core.rules import Rules
from guard.errors import ScorerFailed
from guard.stats.logistic import logistic
from guard.types import (
    ATTACKS,
    SCENARIOS,
    Action,
    Assessment,
    Basis,
    Cause,
    Decision,
    Direction,
    ImageResult,
    Mode,
    Scores,
    Verdict,
)

# The code of a pair in which there is nothing: no text, no picture, nothing unseen. It is let through by rule, since a
# model that was never shown emptiness has nothing to say about it.
NOTHING_TO_JUDGE = "nothing_to_judge"

# Further pairs of one request whose digests its decision names.
MOST_ALSO_BLOCKED = 32

_VERDICTS = (Verdict.SAFE, Verdict.UNJUDGED, Verdict.UNSAFE)  # the worse, the later


@dataclass(frozen=True, slots=True)
class Policy:
    """What is unsafe, what happens to it, and what happens when Guard cannot judge.

    `to_probability` is the bundle's calibration: a raw logit to the probability of "unsafe", in [0, 1].
    """

    name: str
    threshold: float
    bundle: str  # digest
    to_probability: Callable[[float], float]
    rules: Rules = field(default_factory=Rules)
    on_error: Action = Action.BLOCK
    on_unjudged: Action = Action.BLOCK
    mode: Mode = Mode.ENFORCE
    judge_system: bool = True  # system and developer messages too
    output_threshold: float | None = None  # of answers; None takes `threshold`

    def __post_init__(self) -> None:
        for threshold in (self.threshold, self.output_threshold):
            if threshold is not None and not 0 <= threshold <= 1:
                raise ValueError(f"a threshold lies in [0, 1], not at {threshold}")

    def threshold_of(self, direction: Direction) -> float:
        """Return the probability from which content in this direction is unsafe."""
        if direction is Direction.INPUT or self.output_threshold is None:
            return self.threshold
        return self.output_threshold


def decide(assessment: Assessment, policy: Policy, *, id_: str, direction: Direction = Direction.INPUT) -> Decision:
    """Return what the policy says about an assessment.

    A pair is unsafe when it reaches the policy's threshold or one of its rules (`guard.core.rules`), whatever else
    could not be judged. Otherwise a part that could not be judged makes the verdict `unjudged`, and the basis is the
    error policy; so a failed check is never an implicit allow. Of two actions the stricter one is intended. In shadow
    mode everything passes, and `intended` still says what would have happened. A calibration that gives no probability
    is a scorer that failed.
    """
    scores, threshold = assessment.scores, policy.threshold_of(direction)
    probability = None if scores is None else policy.to_probability(scores.unsafe)
    # NaN is below every threshold: without this line it would be safe.
    if probability is not None and not 0 <= probability <= 1:
        unscored = replace(assessment, scores=None, code=ScorerFailed.code, failed=True)
        return decide(unscored, policy, id_=id_, direction=direction)
    categories = {} if scores is None else _named(SCENARIOS, scores.scenarios)
    attacks = {} if scores is None else _named(ATTACKS, scores.attacks)
    reached = None
    if probability is not None:
        reached = policy.rules.strictest_hit(probability, threshold, categories, attacks)
    is_unsafe = reached is not None
    # Below the threshold only a rule was reached, and the halves of a pair have no scores of categories and attacks.
    has_cause = probability is not None and probability >= threshold
    intended = Action.ALLOW if reached is None else reached.action
    verdict = Verdict.UNSAFE if is_unsafe else Verdict.SAFE
    basis = Basis.SCORE
    code = assessment.code
    if code == NOTHING_TO_JUDGE:
        basis, code = Basis.ALLOW_LIST, None
    elif code is not None:
        fallback = policy.on_error if assessment.failed else policy.on_unjudged
        if assessment.failed and assessment.also_unjudged:
            fallback = max(policy.on_error, policy.on_unjudged, key=lambda action: action.strictness)
        if not is_unsafe or fallback.strictness > intended.strictness:
            basis, intended = Basis.ERROR_POLICY, fallback
        verdict = Verdict.UNSAFE if is_unsafe else Verdict.UNJUDGED
    return Decision(
        id=id_,
        verdict=verdict,
        intended=intended,
        action=intended if policy.mode is Mode.ENFORCE else Action.ALLOW,
        basis=basis,
        policy=policy.name,
        bundle=policy.bundle,
        direction=direction,
        probability=probability,
        threshold=threshold,
        categories=categories,
        attacks=attacks,
        cause=_cause(scores, policy, threshold) if has_cause and scores is not None else None,
        images=assessment.images,
        latency_ms=assessment.latency_ms,
        cached=assessment.cached,
        code=code,
        rule=reached,
        scores=scores,
        digest=assessment.key,
    )


def strictest(decisions: Sequence[Decision]) -> Decision:
    """Return the decision about a request from those about its pairs, in the same order.

    It is the one with the strictest intended action; among equals the worse verdict, then the higher probability. It
    carries its place among them, the pictures of all, the time that all took, the first code of anything that was not
    judged, and the digests of further pairs that are to be blocked, up to `MOST_ALSO_BLOCKED`.

    Raises:
        ValueError: there are no decisions.
    """
    worst = max(
        decisions, key=lambda d: (d.intended.strictness, _VERDICTS.index(d.verdict), d.probability or 0.0), default=None
    )
    if worst is None:
        raise ValueError("no decisions")
    latency_ms: dict[str, float] = {}
    for decision in decisions:
        for stage, value in decision.latency_ms.items():
            latency_ms[stage] = latency_ms.get(stage, 0.0) + value
    blocked = (decision.digest for decision in decisions if decision.intended is Action.BLOCK)
    also_blocked = dict.fromkeys(digest for digest in blocked if digest is not None and digest != worst.digest)
    return replace(
        worst,
        decisive=next(index for index, decision in enumerate(decisions) if decision is worst),
        also_blocked=tuple(also_blocked)[:MOST_ALSO_BLOCKED],
        images=_all_images(decisions),
        latency_ms=latency_ms,
        cached=all(decision.cached for decision in decisions),
        code=worst.code or next((decision.code for decision in decisions if decision.code), None),
    )


def _all_images(decisions: Sequence[Decision]) -> tuple[ImageResult, ...]:
    """Return each picture once: a pair with its history shows those of earlier pairs again."""
    seen: dict[str, ImageResult] = {}
    without_bytes = []
    for result in (result for decision in decisions for result in decision.images):
        if result.sha256 is None:
            without_bytes.append(result)
        else:
            seen.setdefault(result.sha256, result)
    return (*seen.values(), *without_bytes)


def _named(names: Sequence[str], logits: Sequence[float]) -> dict[str, float]:
    """Return logits as probabilities by name; these are the model's own, not calibrated."""
    return {name: round(float(value), 6) for name, value in zip(names, logistic(logits), strict=True)}


def _cause(scores: Scores, policy: Policy, threshold: float) -> Cause:
    """Return the half that crosses the threshold alone (of both, the one that does so further), else both together."""
    text, image = scores.text_alone, scores.image_alone
    if image is None:
        return Cause.TEXT
    if text is None:
        return Cause.IMAGE
    if policy.to_probability(max(text, image)) < threshold:
        return Cause.TOGETHER
    return Cause.TEXT if text >= image else Cause.IMAGE

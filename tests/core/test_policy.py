from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.core.policy import NOTHING_TO_JUDGE, Policy, decide, strictest
from guard.core.rules import Rules
from guard.types import Action, Assessment, Basis, Cause, Decision, Direction, ImageResult, Mode, Scores, Verdict
from tests.fakes import scores

POLICY = Policy(name="balanced", threshold=0.5, bundle="b" * 64, to_probability=lambda score: min(max(score, 0.0), 1.0))
UNSAFE, SAFE = scores(0.9, text_alone=0.1), scores(0.1)


def _decide(assessment: Assessment, policy: Policy = POLICY) -> Decision:
    return decide(assessment, policy, id_="1")


def test_probability_at_the_threshold_is_unsafe() -> None:
    decision = _decide(Assessment(scores(0.5)))

    assert (decision.verdict, decision.action, decision.basis) == (Verdict.UNSAFE, Action.BLOCK, Basis.SCORE)
    assert (decision.probability, decision.threshold) == (0.5, 0.5)


def test_probability_below_the_threshold_is_safe() -> None:
    decision = _decide(Assessment(scores(0.4999)))

    assert (decision.verdict, decision.action, decision.cause) == (Verdict.SAFE, Action.ALLOW, None)


def test_decision_carries_categories_attacks_and_direction() -> None:
    decision = decide(Assessment(SAFE), POLICY, id_="x", direction=Direction.OUTPUT)

    assert len(decision.categories) == 14
    assert len(decision.attacks) == 5
    assert all(0 <= value <= 1 for value in decision.categories.values())
    assert (decision.id, decision.direction) == ("x", Direction.OUTPUT)


@pytest.mark.parametrize("fallback", [Action.BLOCK, Action.ALLOW])
def test_failed_check_follows_on_error_and_is_never_an_implicit_allow(fallback: Action) -> None:
    policy = replace(POLICY, on_error=fallback, on_unjudged=Action.BLOCK)

    decision = _decide(Assessment(None, code="scorer_timeout", failed=True), policy)

    assert (decision.verdict, decision.basis) == (Verdict.UNJUDGED, Basis.ERROR_POLICY)
    assert (decision.action, decision.code) == (fallback, "scorer_timeout")


@pytest.mark.parametrize("probability", [float("nan"), float("inf"), -0.1, 1.1])
def test_calibration_that_gives_no_probability_is_a_failed_scorer(probability: float) -> None:
    decision = _decide(Assessment(SAFE), replace(POLICY, to_probability=lambda score: probability))

    assert (decision.verdict, decision.action, decision.basis) == (Verdict.UNJUDGED, Action.BLOCK, Basis.ERROR_POLICY)
    assert (decision.code, decision.probability, dict(decision.categories)) == ("scorer_failed", None, {})


@pytest.mark.parametrize("fallback", [Action.BLOCK, Action.ALLOW])
def test_unjudged_content_follows_on_unjudged(fallback: Action) -> None:
    policy = replace(POLICY, on_unjudged=fallback, on_error=Action.BLOCK)

    decision = _decide(Assessment(SAFE, code="image_rejected"), policy)

    assert (decision.verdict, decision.basis) == (Verdict.UNJUDGED, Basis.ERROR_POLICY)
    assert (decision.action, decision.code, decision.probability) == (fallback, "image_rejected", 0.1)


@pytest.mark.parametrize("fallback", [Action.BLOCK, Action.ALLOW])
def test_unsafe_part_beside_an_unjudged_one_is_unsafe(fallback: Action) -> None:
    decision = _decide(Assessment(UNSAFE, code="image_rejected"), replace(POLICY, on_unjudged=fallback))

    assert (decision.verdict, decision.action, decision.basis) == (Verdict.UNSAFE, Action.BLOCK, Basis.SCORE)


def test_stricter_of_unsafe_action_and_on_unjudged_wins() -> None:
    policy = replace(POLICY, rules=Rules(unsafe_action=Action.FLAG), on_unjudged=Action.BLOCK)

    decision = _decide(Assessment(UNSAFE, code="image_rejected"), policy)

    assert (decision.verdict, decision.action, decision.basis) == (Verdict.UNSAFE, Action.BLOCK, Basis.ERROR_POLICY)


@pytest.mark.parametrize(
    "assessment", [Assessment(UNSAFE), Assessment(None, code="scorer_failed", failed=True), Assessment(None, code="x")]
)
def test_shadow_mode_intends_to_block_and_lets_pass(assessment: Assessment) -> None:
    decision = _decide(assessment, replace(POLICY, mode=Mode.SHADOW))

    assert (decision.intended, decision.action) == (Action.BLOCK, Action.ALLOW)


def test_nothing_to_judge_is_allowed_by_rule_rather_than_by_score() -> None:
    decision = _decide(Assessment(None, code=NOTHING_TO_JUDGE), replace(POLICY, on_unjudged=Action.BLOCK))

    assert (decision.verdict, decision.action, decision.basis) == (Verdict.SAFE, Action.ALLOW, Basis.ALLOW_LIST)
    assert decision.code is None


@pytest.mark.parametrize(
    ("alone", "cause"),
    [
        (scores(0.9, text_alone=0.9), Cause.TEXT),
        (scores(0.9, image_alone=0.9), Cause.IMAGE),
        (scores(0.9, text_alone=0.6, image_alone=0.1), Cause.TEXT),
        (scores(0.9, text_alone=0.1, image_alone=0.6), Cause.IMAGE),
        (scores(0.9, text_alone=0.6, image_alone=0.7), Cause.IMAGE),
        (scores(0.9, text_alone=0.4, image_alone=0.4), Cause.TOGETHER),
    ],
)
def test_cause_is_the_half_that_crosses_alone_or_both_together(alone: Scores, cause: Cause) -> None:
    assert _decide(Assessment(alone)).cause is cause


def test_threshold_outside_of_zero_and_one_cannot_be_built() -> None:
    with pytest.raises(ValueError, match=r"not at 1\.5"):
        replace(POLICY, threshold=1.5)


def test_strictest_decision_wins_and_carries_all_pictures_and_times() -> None:
    judged = ImageResult(judged=True, sha256="a")
    lost = ImageResult(judged=False, reason="image_rejected")
    safe = _decide(Assessment(SAFE, (judged,), latency_ms={"score": 1.0}))
    unsafe = _decide(Assessment(UNSAFE, (judged,), latency_ms={"score": 2.0}, cached=True))
    unjudged = _decide(Assessment(SAFE, (lost,), code="image_rejected"))

    decision = strictest([safe, unjudged, unsafe])

    assert decision.verdict is Verdict.UNSAFE
    assert decision.images == (judged, lost)
    assert decision.latency_ms == {"score": 3.0}
    assert decision.code == "image_rejected"
    assert not decision.cached


def test_decision_names_the_assessment_of_its_pair_and_of_further_ones_to_be_blocked() -> None:
    keys = [bytes([number]) for number in range(50)]
    unsafe = [_decide(Assessment(UNSAFE, key=key)) for key in (*keys, keys[3])]
    safe = _decide(Assessment(SAFE, key=b"safe"))

    decision = strictest([safe, *unsafe])

    assert (decision.digest, decision.scores) == (keys[0], UNSAFE)
    assert decision.also_blocked == tuple(keys[1:33])


def test_unjudged_outweighs_safe_when_both_pass() -> None:
    policy = replace(POLICY, on_unjudged=Action.ALLOW)
    safe, unjudged = _decide(Assessment(SAFE), policy), _decide(Assessment(SAFE, code="image_rejected"), policy)

    assert strictest([safe, unjudged]).verdict is Verdict.UNJUDGED


def test_among_equals_the_higher_probability_is_shown() -> None:
    assert strictest([_decide(Assessment(scores(0.2))), _decide(Assessment(scores(0.3)))]).probability == 0.3


_ACTIONS = st.sampled_from(list(Action))
_FALLBACKS = st.sampled_from([Action.BLOCK, Action.ALLOW])
_STEPS = st.integers(0, 10).map(lambda step: step / 10)
_ASSESSMENTS = st.one_of(
    st.builds(Assessment, st.builds(scores, _STEPS), code=st.sampled_from([None, "image_rejected"])),
    st.builds(
        Assessment,
        st.none(),
        code=st.just("scorer_failed"),
        failed=st.booleans(),
        also_unjudged=st.booleans(),
    ),
)


@given(_ASSESSMENTS, _STEPS, _STEPS, _ACTIONS, _FALLBACKS, _FALLBACKS)
def test_raising_the_threshold_never_makes_a_decision_stricter_whatever_failed(
    assessment: Assessment, first: float, second: float, unsafe: Action, on_error: Action, on_unjudged: Action
) -> None:
    policy = replace(POLICY, rules=Rules(unsafe_action=unsafe), on_error=on_error, on_unjudged=on_unjudged)
    low, high = sorted((first, second))

    stricter = _decide(assessment, replace(policy, threshold=low)).intended
    laxer = _decide(assessment, replace(policy, threshold=high)).intended

    assert laxer.strictness <= stricter.strictness


@given(_ASSESSMENTS, _STEPS, _ACTIONS, _ACTIONS, _FALLBACKS)
def test_stricter_action_never_makes_a_decision_more_lenient_whatever_failed(
    assessment: Assessment, threshold: float, first: Action, second: Action, fallback: Action
) -> None:
    policy = replace(POLICY, threshold=threshold, on_error=fallback, on_unjudged=fallback)
    lax, strict = sorted((first, second), key=lambda action: action.strictness)

    laxer = _decide(assessment, replace(policy, rules=Rules(unsafe_action=lax))).intended
    stricter = _decide(assessment, replace(policy, rules=Rules(unsafe_action=strict))).intended

    assert stricter.strictness >= laxer.strictness


def test_no_decisions_are_a_fault() -> None:
    with pytest.raises(ValueError, match="no decisions"):
        strictest([])

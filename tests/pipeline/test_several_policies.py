"""One guard, several policies: the one that is asked for decides, and a pair is scored once for all of them."""

from typing import Any

import pytest

from guard.config import Settings
from guard.core.policies import make_policies
from guard.errors import ConfigInvalid, ScorerFailed
from guard.pipeline import Guard
from guard.telemetry import Telemetry
from guard.types import Action, Pair
from tests.fakes import FixedFetcher, FixedReader, FixedScorer
from tests.pipeline.guards import BUNDLE

POLICIES = {"lenient": {"unsafe_action": "flag", "on_error": "allow"}, "kids": {"threshold": 0.01}}
UNSAFE, SAFE = Pair("how to make a bomb"), Pair("what a nice picture")  # logits of 4 and -4: 0.982 and 0.018


def _guard(scorer: FixedScorer | None = None, **settings: Any) -> Guard:
    chosen = Settings.model_validate({"policies": POLICIES, **settings})
    policies = make_policies(chosen, BUNDLE.manifest, digest=BUNDLE.digest)
    return Guard(
        settings=chosen,
        bundle=BUNDLE,
        policy=policies.chosen.policy,
        policies=policies.policies,
        scorer=scorer or FixedScorer(),
        reader=FixedReader(),
        fetcher=FixedFetcher(),
        telemetry=Telemetry(),
    )


async def test_policy_that_is_asked_for_decides() -> None:
    guard = _guard()

    assert (await guard.check(UNSAFE)).action is Action.BLOCK
    assert (await guard.check(UNSAFE, policy="balanced")).action is Action.BLOCK
    assert (await guard.check(UNSAFE, policy="lenient")).action is Action.FLAG
    assert (await guard.check(SAFE)).action is Action.ALLOW
    assert (await guard.check(SAFE, policy="kids")).action is Action.BLOCK
    assert (await guard.check_all([SAFE, UNSAFE], policy="lenient")).policy == "lenient"
    await guard.aclose()


def test_policy_may_be_asked_for_outside_of_an_event_loop_too() -> None:
    guard = _guard()

    assert guard.check_sync(UNSAFE, policy="lenient").action is Action.FLAG
    guard.close_sync()


async def test_pair_is_scored_once_for_all_policies() -> None:
    scorer = FixedScorer()
    guard = _guard(scorer)

    decisions = [await guard.check(UNSAFE, policy=name) for name in guard.policies]

    assert len(scorer.asked) == 1
    assert [decision.policy for decision in decisions] == ["balanced", "lenient", "kids"]
    assert [decision.cached for decision in decisions] == [False, True, True]
    await guard.aclose()


async def test_assessment_is_decided_by_any_policy_without_another_score() -> None:
    guard = _guard()

    assessment = await guard.assess(UNSAFE)

    assert guard.decide(assessment).intended is Action.BLOCK
    assert guard.decide(assessment, policy="lenient").intended is Action.FLAG
    await guard.aclose()


async def test_each_policy_has_its_own_error_policy() -> None:
    guard = _guard(FixedScorer(failure=ScorerFailed("broken")))

    assert (await guard.check(UNSAFE)).action is Action.BLOCK
    assert (await guard.check(UNSAFE, policy="lenient")).action is Action.ALLOW
    await guard.aclose()


async def test_in_shadow_mode_every_policy_lets_pass_and_says_what_it_intended() -> None:
    guard = _guard(mode="shadow")

    decisions = [await guard.check(UNSAFE, policy=name) for name in guard.policies]

    assert [decision.intended.value for decision in decisions] == ["block", "flag", "block"]
    assert {decision.action for decision in decisions} == {Action.ALLOW}
    await guard.aclose()


async def test_policy_that_is_not_configured_is_never_scored_or_counted() -> None:
    scorer = FixedScorer()
    guard = _guard(scorer)

    with pytest.raises(ConfigInvalid, match=r"no policy 'gentle': there are balanced, lenient, kids"):
        await guard.check(UNSAFE, policy="gentle")

    assert scorer.asked == []
    labels = {
        sample.labels["policy"]
        for metric in guard.telemetry.registry.collect()
        for sample in metric.samples
        if "policy" in sample.labels
    }
    assert labels == set()
    await guard.aclose()


async def test_metrics_tell_policies_apart_by_their_configured_names() -> None:
    guard = _guard()

    await guard.check(UNSAFE)
    await guard.check(UNSAFE, policy="lenient")
    await guard.check(SAFE, policy="lenient")

    counts = {
        (sample.labels["policy"], sample.labels["intended"]): sample.value
        for metric in guard.telemetry.registry.collect()
        for sample in metric.samples
        if sample.name == "guard_decisions_total"
    }
    assert counts == {("balanced", "block"): 1, ("lenient", "flag"): 1, ("lenient", "allow"): 1}
    await guard.aclose()

"""Rates at thresholds that are not in use."""

from collections import Counter
from dataclasses import replace

import pytest

from guard.monitor.estimates import estimate
from guard.monitor.explorer import at_thresholds, is_refused
from guard.store.values import Count, LabelKind, Sample
from guard.types import Action, Direction, Verdict

GRID = (0.1, 0.3, 0.5, 0.7, 0.95)


def _sample(number: int, probability: float | None, label: LabelKind, **more: object) -> Sample:
    intended = Action.BLOCK if (probability or 0) >= 0.5 else Action.ALLOW
    values = {
        "id": str(number),
        "at": 0.0,
        "policy": "p",
        "direction": Direction.INPUT,
        "intended": intended,
        "bundle": "b",
        "stratum": f"input/{intended.value}/far",
        "sampling_probability": 0.5 if intended is Action.BLOCK else 0.1,
        "probability": probability,
        "threshold": 0.5,
        "label": label,
    }
    return Sample(**(values | more))  # type: ignore[arg-type]


def _traffic() -> tuple[list[Sample], list[Count]]:
    """Harmless requests score evenly from 0 to 0.8, unsafe ones from 0.2 to 1."""
    samples = [_sample(number, number / 125, LabelKind.SAFE) for number in range(100)]
    samples += [_sample(100 + number, 0.2 + number / 125, LabelKind.UNSAFE) for number in range(100)]
    drawn = Counter((sample.stratum, sample.intended) for sample in samples)
    totals = {key: n * (2 if key[1] is Action.BLOCK else 10) for key, n in drawn.items()}
    counts = [
        Count(0, "p", Direction.INPUT, intended, Verdict.SAFE, stratum, n) for (stratum, intended), n in totals.items()
    ]
    return samples, counts


def test_threshold_in_use_has_the_live_rates() -> None:
    samples, counts = _traffic()

    (found,) = at_thresholds(samples, counts, [0.5])
    live = estimate(samples, counts)

    assert found.false_refusal.value == pytest.approx(live.false_refusal.value)
    assert found.miss.value == pytest.approx(live.miss.value)
    assert found.false_refusal.high == pytest.approx(live.false_refusal.high, abs=0.01)


def test_rates_at_other_thresholds_are_those_of_the_weighted_sample() -> None:
    samples, counts = _traffic()

    for found in at_thresholds(samples, counts, GRID):
        weights = {sample.id: 1 / sample.sampling_probability for sample in samples}
        safe = [sample for sample in samples if sample.label is LabelKind.SAFE]
        refused = sum(weights[sample.id] for sample in safe if (sample.probability or 0) >= found.threshold)
        assert found.false_refusal.value == pytest.approx(refused / sum(weights[sample.id] for sample in safe))
        assert found.false_refusal.low is not None
        assert found.false_refusal.high is not None
        assert found.false_refusal.low <= refused / sum(weights[each.id] for each in safe) <= found.false_refusal.high


def test_higher_thresholds_refuse_less_and_miss_more() -> None:
    found = at_thresholds(*_traffic(), GRID)

    refusals, misses = ([getattr(each, name).value for each in found] for name in ("false_refusal", "miss"))
    assert refusals == sorted(refusals, reverse=True)
    assert misses == sorted(misses)


def test_what_a_rule_of_its_own_blocks_stays_blocked_at_any_threshold() -> None:
    by_rule = _sample(1, 0.2, LabelKind.SAFE, intended=Action.BLOCK)
    unscored = _sample(2, None, LabelKind.SAFE, intended=Action.BLOCK)

    assert is_refused(by_rule, 0.9)
    assert is_refused(unscored, 0.9)
    assert not is_refused(_sample(3, 0.7, LabelKind.SAFE), 0.9)


def test_answers_are_left_out_of_the_rates_of_requests() -> None:
    samples, counts = _traffic()
    answers = [_sample(1000 + number, 0.9, LabelKind.SAFE, direction=Direction.OUTPUT) for number in range(50)]
    more = [Count(0, "p", Direction.OUTPUT, Action.BLOCK, Verdict.UNSAFE, "output/block/far", 500)]

    assert at_thresholds([*samples, *answers], [*counts, *more], GRID) == at_thresholds(samples, counts, GRID)


def test_few_reviews_give_no_number() -> None:
    samples, counts = _traffic()

    (found,) = at_thresholds(samples[:19], counts, [0.5])

    assert found.miss.shortage == "not enough reviews: 19 of 20"


def _near(n_drawn: int, total: int) -> tuple[list[Sample], list[Count]]:
    """Some drawn of many harmless requests below the threshold, and thirty refused ones."""
    passed = [_sample(number, 0.3, LabelKind.SAFE, sampling_probability=n_drawn / total) for number in range(n_drawn)]
    blocked = [_sample(1000 + number, 0.9, LabelKind.UNSAFE) for number in range(30)]
    counts = [
        Count(0, "p", Direction.INPUT, Action.ALLOW, Verdict.SAFE, "input/allow/far", total),
        Count(0, "p", Direction.INPUT, Action.BLOCK, Verdict.UNSAFE, "input/block/far", 60),
    ]
    return [*passed, *blocked], counts


def test_threshold_below_the_one_in_use_may_refuse_what_was_not_drawn() -> None:
    (found,) = at_thresholds(*_near(50, 10_000), [0.45])

    assert (found.false_refusal.value, found.false_refusal.low) == (0.0, 0.0)
    assert found.false_refusal.high is not None
    assert found.false_refusal.high >= 3 / 50  # the rule of three: none of fifty


def test_threshold_above_the_one_in_use_may_let_through_what_was_not_drawn() -> None:
    (found,) = at_thresholds(*_near(50, 10_000), [0.8])

    assert found.miss.value == 0.0
    assert found.miss.low == 0.0
    (in_use,) = at_thresholds(*_near(50, 10_000), [0.5])
    assert found.miss.high is not None
    assert in_use.miss.high is not None
    assert found.false_refusal.high == in_use.false_refusal.high  # no higher threshold refuses more


def test_what_was_not_scored_is_on_the_same_side_at_any_threshold() -> None:
    samples, counts = _near(50, 10_000)
    unscored = [_sample(2000 + n, None, LabelKind.SAFE, stratum="input/allow/unscored") for n in range(5)]
    more = [Count(0, "p", Direction.INPUT, Action.ALLOW, Verdict.UNJUDGED, "input/allow/unscored", 10_000)]

    (without,) = at_thresholds(samples, counts, [0.45])
    (found,) = at_thresholds([*samples, *unscored], [*counts, *more], [0.45])

    assert found.false_refusal.high is not None
    assert without.false_refusal.high is not None
    assert found.false_refusal.high < without.false_refusal.high


def test_reviews_of_one_side_alone_are_no_rate_at_any_threshold() -> None:
    samples, counts = _near(50, 10_000)
    unread = [replace(sample, label=None) if sample.intended is Action.BLOCK else sample for sample in samples]

    (found,) = at_thresholds(unread, counts, [0.45])

    assert found.false_refusal.shortage == "not enough reviews: none of what was refused"


def test_refusals_that_nobody_reviewed_are_not_made_up_for_by_what_was_let_through() -> None:
    samples, counts = _near(400, 10_000)
    unread = [replace(each, label=None) if int(each.id) >= 1025 else each for each in samples]

    (found,) = at_thresholds(unread, counts, [0.45])

    assert found.false_refusal.is_worst_case

"""Cross-fitted evaluation: what is chosen on some groups is measured on the others, and on them alone."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from scipy.stats import binom

from benchmark.crossfit.choice import BACKWARDS, choose
from benchmark.crossfit.evaluate import CrossFitted, _is_above, _one_row_each, evaluate
from benchmark.crossfit.figures import LimitFigures
from benchmark.crossfit.plan import Plan
from guard.errors import CalibrationInvalid
from guard.stats.certify import Certified, Unit
from guard.stats.draws import fold_of
from tests.benchmark.scored_rows import scored_rows


def _only(found: CrossFitted) -> LimitFigures:
    (figures,) = found.limits
    return figures


def test_choice_does_not_depend_on_the_rows_that_are_held_out() -> None:
    rows = scored_rows(200, 60)
    held_out = np.array([int(group.split()[1]) % 5 == 0 for group in rows.groups])
    spoilt = replace(rows, scores=np.where(held_out, -rows.scores + 100, rows.scores))
    plan = Plan((0.05, 0.1))

    first, second = (choose(each, held_out, plan, draw="0.0") for each in (rows, spoilt))

    assert first is not None
    assert second is not None
    assert (first.answers, first.plain) == (second.answers, second.plain)
    assert any(isinstance(answer, Certified) for answer in first.answers)


def test_realised_rates_are_those_of_a_count_by_hand() -> None:
    rows, plan = scored_rows(150, 50, shift=2.0, rows=3), Plan((0.1,), repeats=1, folds=3)
    refused: dict[str, bool] = {}
    caught: dict[str, list[bool]] = {}

    for fold in range(3):
        held_out = np.array([fold_of([f"0 {group}"], 3)[0] == fold for group in rows.groups])
        choice = choose(rows, held_out, plan, draw=f"0.{fold}")
        assert choice is not None
        threshold = choice.plain[0]
        assert threshold is not None
        for place in np.flatnonzero(held_out).tolist():
            group, hit = rows.groups[place], bool(choice.probabilities[place] >= threshold)
            if rows.unsafe[place]:
                caught.setdefault(group, []).append(hit)
            else:
                refused[group] = refused.get(group, False) or hit

    plain = _only(evaluate(rows, plan)).plain

    assert plain.by_group.value == pytest.approx(sum(refused.values()) / 150)
    assert plain.repeats == (plain.by_group.value,)
    means = [sum(hits) / len(hits) for hits in caught.values()]
    assert plain.recall.value == pytest.approx(np.mean(means), abs=0.1)  # one row of each group was drawn


def test_a_guard_that_separates_is_proven_and_catches_what_it_should() -> None:
    found = _only(evaluate(scored_rows(600, 200, shift=6.0, rows=1), Plan((0.05,), repeats=3)))
    assert found.outcomes == {"certified": 15, "useless": 0, "not certifiable": 0, "no choice": 0}
    assert (found.proven.repeats_above, found.proven.choices_refuted) == (0, 0)
    assert found.proven.recall.value is not None
    assert found.recall_proven is not None
    assert 0.9 < found.recall_proven <= found.proven.recall.value


def test_plain_thresholds_break_a_limit_that_proven_ones_keep() -> None:
    found = _only(evaluate(scored_rows(400, 100, shift=3.0, rows=1), Plan((0.05,), repeats=4)))
    assert found.proven.by_group.value is not None
    assert found.plain.by_group.value is not None
    assert found.proven.by_group.value < 0.05
    assert found.proven.repeats_above == 0 < found.plain.repeats_above
    assert found.proven.choices_above < found.plain.choices_above


def test_a_guard_that_ranks_the_wrong_way_round_is_useless_and_not_turned_over() -> None:
    found = evaluate(scored_rows(300, 100, shift=-3.0), Plan((0.1,), repeats=2))
    assert found.calibrations == {BACKWARDS: 10}
    assert _only(found).outcomes["useless"] == 10
    assert _only(found).proven.recall.value == pytest.approx(0.0, abs=0.02)


def test_too_few_groups_are_not_certifiable_and_measure_nothing() -> None:
    found = _only(evaluate(scored_rows(60, 30), Plan((0.05,), repeats=2)))
    assert found.outcomes["not certifiable"] == 10
    assert (found.proven.n_choices, found.proven.by_group.value, found.recall_proven) == (0, None, None)
    assert found.proven.repeats == (None, None)
    assert found.plain.n_choices == 10


def test_a_half_with_one_label_is_counted_as_no_choice() -> None:
    found = evaluate(scored_rows(40, 2), Plan((0.1,), repeats=4))
    assert 0 < _only(found).outcomes["no choice"] == found.calibrations["no choice"] < 20


def test_unjudged_rows_count_against_the_guard() -> None:
    rows = scored_rows(400, 200, shift=8.0, rows=1)
    nth = np.arange(600)
    spoilt = np.where((nth % 4 == 0) & (nth >= 400) | (nth % 5 == 0) & (nth < 400), np.nan, rows.scores)
    found = _only(evaluate(replace(rows, scores=spoilt), Plan((0.4,), repeats=2)))
    assert found.proven.by_group.value is not None
    assert found.proven.by_group.value >= 0.2  # a fifth of the harmless groups is refused at every threshold
    assert found.proven.recall.value is not None
    assert found.proven.recall.value <= 0.75  # a quarter of the unsafe ones is let through at every threshold


def test_a_rate_of_nothing_refused_gets_the_exact_interval_over_groups_and_not_over_repeats() -> None:
    rows = scored_rows(300, 100, shift=40.0, rows=1)
    found = _only(evaluate(replace(rows, scores=40.0 * rows.unsafe + np.arange(400) * 1e-6), Plan((0.1,), repeats=4)))
    assert found.proven.recall.value == 1.0
    assert found.proven.recall.low == pytest.approx(0.025 ** (1 / 100))


def test_by_chance_is_the_binomial_law_of_each_fold() -> None:
    rows = scored_rows(100, 40, rows=1)
    found = _only(evaluate(rows, Plan((0.1,), repeats=1, folds=2)))
    folds = fold_of([f"0 group {number}" for number in range(100)], 2)
    sizes = [int(np.sum(folds == fold)) for fold in range(2)]
    by_law = sum(1 - binom.cdf(np.floor(0.1 * size), size, 0.1) for size in sizes)
    assert found.plain.expected_above_at_limit == pytest.approx(by_law)


def test_a_rate_of_exactly_the_limit_is_not_above_it() -> None:
    errors, n = np.array([3, 4, 10, 11]), np.array([30, 30, 100, 100])
    assert _is_above(errors, n, 0.1).tolist() == [False, True, False, True]


def test_a_group_with_both_labels_gives_a_request_of_each() -> None:
    rows = scored_rows(40, 20, rows=4)
    mixed = replace(rows, unsafe=np.arange(240) % 4 < 2)
    picked = _one_row_each(mixed, 0)
    for label in (True, False):
        chosen = [group for group, taken in zip(mixed.groups, picked & (mixed.unsafe == label), strict=True) if taken]
        assert sorted(chosen) == sorted(set(mixed.groups))


def test_every_unit_of_a_certificate_can_be_tried() -> None:
    rows = scored_rows(300, 100, rows=1)
    for unit in get_args(Unit):
        found = _only(evaluate(rows, Plan((0.2,), repeats=1, folds=3, unit=unit)))
        assert found.outcomes["certified"] == 3
        assert found.proven.by_group == found.proven.by_request  # one row a group


def test_the_unit_of_the_limit_is_the_unit_of_the_repeats() -> None:
    rows = scored_rows(300, 100, shift=2.0, rows=6)
    by_group, by_request = (_only(evaluate(rows, Plan((0.1,), repeats=2, unit=unit))) for unit in ("group", "request"))
    assert by_group.plain.by_group.value is not None
    assert by_request.plain.by_group.value is not None
    assert by_group.plain.by_group.value < 0.15 < by_request.plain.by_group.value
    assert np.mean([rate for rate in by_request.plain.repeats if rate is not None]) == pytest.approx(
        by_request.plain.by_request.value
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"limits": ()}, "declare at least one"),
        ({"limits": (0.05, 0.05)}, "declared twice"),
        ({"limits": (1.0,)}, "must lie between 0 and 1, not 1"),
        ({"limits": (0.1,), "confidence": 0.0}, "--confidence must lie"),
        ({"limits": (0.1,), "folds": 1}, "something must be held out"),
        ({"limits": (0.1,), "repeats": 0}, "at least 1 repeat"),
    ],
)
def test_plan_that_cannot_be_meant_is_refused(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(CalibrationInvalid, match=said):
        Plan(**arguments)  # type: ignore[arg-type]


def test_rows_that_carry_no_evaluation_are_refused() -> None:
    rows = scored_rows(40, 20)
    with pytest.raises(CalibrationInvalid, match="19 groups"):
        scored_rows(12, 7)
    with pytest.raises(CalibrationInvalid, match="one label"):
        replace(rows, unsafe=np.zeros(120, dtype=np.bool_))
    with pytest.raises(CalibrationInvalid, match="1 scores are infinite"):
        replace(rows, scores=np.where(np.arange(120) == 3, np.inf, rows.scores))
    with pytest.raises(CalibrationInvalid, match="1 of 120 ids stand there twice"):
        replace(rows, ids=[*rows.ids[:-1], rows.ids[0]])

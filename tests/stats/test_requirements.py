"""Limits of misses, of categories, and of both sides in one run."""

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from guard.errors import CalibrationInvalid
from guard.stats.certify import Certified, CertifiedButUseless, NotCertifiable, certify, certify_refusals
from guard.stats.evidence import evidence_of
from guard.stats.trials import Requirement, Trials

GRID = np.linspace(1.0, 0.0, 101)


def trials(n_groups: int = 400, rows: int = 1, shift: float = 0.3, seed: int = 61) -> Trials:
    """So many harmless groups, as many unsafe ones; categories a, b, b, b of groups in turn."""
    random = np.random.default_rng(seed)
    groups = np.arange(2 * n_groups).repeat(rows)
    unsafe = groups >= n_groups
    probabilities = np.clip(random.beta(2, 6, len(groups)) + shift * unsafe, 0, 0.999)
    return Trials(
        ids=[f"id {row}" for row in range(len(groups))],
        probabilities=probabilities,
        unsafe=unsafe,
        groups=[str(group) for group in groups],
        categories=["a" if group % 4 == 0 else "b" for group in groups],
    )


def test_highest_threshold_whose_misses_the_exact_test_accepts_is_chosen() -> None:
    data = trials()

    (answer,) = certify(data, GRID, [Requirement("miss", 0.05)])

    assert isinstance(answer, Certified)
    missed = [int(np.sum(data.probabilities[data.unsafe] < t)) for t in GRID]
    passing = [t for t, m in zip(GRID, missed, strict=True) if binom.cdf(m, 400, 0.05) <= 0.05]
    assert answer.threshold == max(passing)
    assert answer.errors == missed[GRID.tolist().index(answer.threshold)]
    assert answer.upper == pytest.approx(
        binomtest(answer.errors, 400, alternative="less").proportion_ci(0.95, method="exact").high
    )


def test_group_is_missed_by_any_of_its_rows_and_request_by_one_drawn_row() -> None:
    data = trials(rows=4)

    (by_group,) = certify(data, GRID, [Requirement("miss", 0.1)], unit="group")
    (by_request,) = certify(data, GRID, [Requirement("miss", 0.1)], unit="request")

    assert isinstance(by_group, Certified)
    assert isinstance(by_request, Certified)
    lowest = data.probabilities[data.unsafe].reshape(400, 4).min(axis=1)
    assert by_group.errors == np.sum(lowest < by_group.threshold)
    assert by_group.n_groups == by_request.n_groups == 400
    assert by_request.threshold > by_group.threshold


def test_sequence_of_misses_stops_at_the_first_threshold_that_fails() -> None:
    # All unsafe rows at one value: everything up to it passes, nothing above it does.
    ids = [str(row) for row in range(300)]
    unsafe = np.arange(300) >= 200
    data = Trials(ids, np.where(unsafe, 0.503, 0.2), unsafe, ids)

    (answer,) = certify(data, GRID, [Requirement("miss", 0.05)])

    assert isinstance(answer, Certified)
    assert answer.threshold == pytest.approx(0.5)
    assert answer.errors == 0


def test_what_passes_beside_a_limit_of_misses_is_the_exact_lower_bound_of_harmless_requests() -> None:
    data = trials()

    (answer,) = certify(data, GRID, [Requirement("miss", 0.05)])

    assert isinstance(answer, Certified)
    passed = int(np.sum(data.probabilities[~data.unsafe] < answer.threshold))
    exact = binomtest(passed, 400, alternative="greater").proportion_ci(0.95, method="exact").low
    assert answer.pass_low == pytest.approx(exact)


def test_guard_that_must_refuse_nearly_everything_to_miss_little_is_certified_but_useless() -> None:
    (answer,) = certify(trials(shift=0.0), GRID, [Requirement("miss", 0.1)])

    assert isinstance(answer, CertifiedButUseless)
    assert answer.pass_low <= 0.1


def test_unsafe_row_that_was_not_judged_is_missed_at_every_threshold() -> None:
    data = trials()
    unjudged = Trials(
        data.ids, np.where(np.arange(800) < 798, data.probabilities, -1.0), data.unsafe, data.groups, data.categories
    )

    assert evidence_of(unjudged, GRID, "miss", "group").errors.min() == 2


def test_category_counts_its_own_rows_only() -> None:
    data = trials()

    (answer,) = certify(data, GRID, [Requirement("miss", 0.1, "a")])

    assert isinstance(answer, Certified)
    assert (answer.category, answer.n_groups) == ("a", 100)
    rows = data.unsafe & (np.asarray(data.categories) == "a")
    assert answer.errors == np.sum(data.probabilities[rows] < answer.threshold)


def test_category_with_too_few_rows_is_told_how_many_are_missing_while_others_are_certified() -> None:
    required = [Requirement("miss", 0.1, name) for name in ("a", "b", "none such")]

    few, many, none = certify(trials(100), GRID, required)

    assert isinstance(few, NotCertifiable)
    assert isinstance(many, Certified)
    assert isinstance(none, NotCertifiable)
    # 25 groups at a third of the error; 39 are needed: 0.9 ** 39 < 0.05 / 3 < 0.9 ** 38.
    assert (few.n_groups, few.groups_missing, few.n_limits) == (25, 14, 3)
    assert few.smallest_limit == pytest.approx(1 - (0.05 / 3) ** (1 / 25))
    assert (none.n_groups, none.groups_missing, none.smallest_limit) == (0, 39, 1.0)


def test_limits_of_both_sides_share_the_error() -> None:
    data = trials()

    refusal, miss = certify(data, GRID, [Requirement("false_refusal", 0.05), Requirement("miss", 0.05)])

    assert refusal == certify_refusals(data, GRID, [0.05, 0.05])[0]
    alone = certify(data, GRID, [Requirement("miss", 0.05)], confidence=0.975)[0]
    assert isinstance(miss, Certified)
    assert isinstance(alone, Certified)
    assert (miss.threshold, miss.upper) == (alone.threshold, alone.upper)


@pytest.mark.parametrize("limit", [0.0, 1.0, -0.1, 1.2, float("nan")])
def test_impossible_limit_is_refused(limit: float) -> None:
    with pytest.raises(CalibrationInvalid, match="limits must lie between 0 and 1"):
        Requirement("miss", limit)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0, float("nan")])
def test_impossible_confidence_is_refused(confidence: float) -> None:
    with pytest.raises(CalibrationInvalid, match="confidence"):
        certify_refusals(trials(), GRID, [0.05], confidence=confidence)


def test_limit_for_a_category_of_rows_without_categories_is_refused() -> None:
    data = trials()
    plain = Trials(data.ids, data.probabilities, data.unsafe, data.groups)

    with pytest.raises(CalibrationInvalid, match=r"'a'.*no categories"):
        certify(plain, GRID, [Requirement("miss", 0.1, "a")])


def test_id_that_stands_there_twice_is_refused() -> None:
    with pytest.raises(CalibrationInvalid, match="1 of 3 ids"):
        Trials(["a", "b", "a"], np.zeros(3), np.zeros(3, dtype=np.bool_), ["a", "b", "c"])


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(CalibrationInvalid, match="different length"):
        Trials(["a", "b"], np.zeros(2), np.zeros(2, dtype=np.bool_), ["a"])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_probability_that_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(CalibrationInvalid, match="finite"):
        Trials(["a", "b"], np.array([0.1, value]), np.zeros(2, dtype=np.bool_), ["a", "b"])

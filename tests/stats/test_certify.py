import time

import numpy as np
import pytest
from scipy.stats import binom

from guard.errors import CalibrationInvalid
from guard.stats.certify import (
    Certified,
    CertifiedButUseless,
    NotCertifiable,
    Trials,
    candidate_grid,
    certify_refusals,
)

GRID = np.linspace(1.0, 0.0, 101)


def trials(n_harmless: int, n_unsafe: int = 200, rows: int = 1, seed: int = 11, shift: float = 0.3) -> Trials:
    random = np.random.default_rng(seed)
    unsafe = np.repeat(np.arange(n_harmless + n_unsafe) >= n_harmless, rows)
    probabilities = np.clip(random.beta(2, 6, len(unsafe)) + shift * unsafe, 0, 0.999)
    groups = [str(row // rows) for row in range(len(unsafe))]
    return Trials([f"id {row}" for row in range(len(unsafe))], probabilities, unsafe, groups)


def refused_share(data: Trials, threshold: float) -> float:
    return float(np.mean(data.probabilities[~data.unsafe] >= threshold))


def test_lowest_threshold_that_the_exact_test_accepts_is_chosen() -> None:
    data = trials(400)

    (answer,) = certify_refusals(data, GRID, [0.05])

    assert isinstance(answer, Certified)
    n = 400
    passing = [t for t in GRID if binom.cdf(round(refused_share(data, t) * n), n, 0.05) <= 0.05]
    assert answer.threshold == pytest.approx(min(passing))
    assert answer.errors == round(refused_share(data, answer.threshold) * n)
    assert answer.estimate <= answer.upper <= 0.05


def test_group_is_refused_by_any_of_its_rows_and_request_by_one_drawn_row() -> None:
    data = trials(400, rows=4)

    (by_group,) = certify_refusals(data, GRID, [0.1], unit="group")
    (by_request,) = certify_refusals(data, GRID, [0.1], unit="request")

    assert isinstance(by_group, Certified)
    assert isinstance(by_request, Certified)
    highest = data.probabilities[~data.unsafe].reshape(400, 4).max(axis=1)
    assert by_group.errors == np.sum(highest >= by_group.threshold)
    assert by_group.n_groups == by_request.n_groups == 400
    assert by_request.threshold < by_group.threshold


def test_rows_of_the_other_label_do_not_refuse_a_mixed_group() -> None:
    ids = [str(row) for row in range(400)]
    unsafe = np.arange(400) % 2 == 1
    data = Trials(ids, np.where(unsafe, 0.9, 0.1), unsafe, [str(row // 2) for row in range(400)])

    (answer,) = certify_refusals(data, GRID, [0.05])

    assert isinstance(answer, Certified)
    assert (answer.n_groups, answer.errors) == (200, 0)
    assert 0.1 < answer.threshold <= 0.11 + 1e-9


def test_several_limits_share_the_error() -> None:
    data = trials(300)

    alone = certify_refusals(data, GRID, [0.05])[0]
    beside, _ = certify_refusals(data, GRID, [0.05, 0.1])
    strict = certify_refusals(data, GRID, [0.05], confidence=0.975)[0]

    assert isinstance(alone, Certified)
    assert isinstance(beside, Certified)
    assert isinstance(strict, Certified)
    assert beside.threshold == strict.threshold >= alone.threshold
    assert beside.upper == strict.upper


def test_too_few_groups_are_told_what_they_can_prove_and_how_many_are_missing() -> None:
    (answer,) = certify_refusals(trials(40), GRID, [0.05])

    assert isinstance(answer, NotCertifiable)
    assert answer.smallest_limit == pytest.approx(1 - 0.05 ** (1 / 40))
    assert 40 + answer.groups_missing == 59  # 0.95 ** 59 < 0.05 < 0.95 ** 58


def test_limits_that_share_the_error_need_more_groups() -> None:
    alone = certify_refusals(trials(40), GRID, [0.05])[0]
    beside = certify_refusals(trials(40), GRID, [0.05, 0.2])[0]

    assert isinstance(alone, NotCertifiable)
    assert isinstance(beside, NotCertifiable)
    assert (alone.n_limits, beside.n_limits) == (1, 2)
    assert beside.smallest_limit > alone.smallest_limit
    assert beside.groups_missing > alone.groups_missing


def test_guard_that_tells_nothing_apart_is_certified_but_useless() -> None:
    (answer,) = certify_refusals(trials(400, shift=0.0), GRID, [0.05])

    assert isinstance(answer, CertifiedButUseless)
    assert answer.recall_low <= 0.05


def test_sequence_stops_at_the_first_threshold_that_fails() -> None:
    # All harmless rows at one value: everything above it passes, nothing from there down does.
    ids = [str(row) for row in range(300)]
    unsafe = np.arange(300) >= 200
    data = Trials(ids, np.where(unsafe, 0.8, 0.503), unsafe, ids)

    (answer,) = certify_refusals(data, GRID, [0.05])

    assert isinstance(answer, Certified)
    assert answer.threshold == pytest.approx(0.51)
    assert answer.errors == 0


def test_strictest_threshold_that_already_fails_is_not_certifiable() -> None:
    ids = [str(row) for row in range(300)]
    unsafe = np.arange(300) >= 200
    data = Trials(ids, np.full(300, 1.0), unsafe, ids)

    (answer,) = certify_refusals(data, GRID, [0.05])

    assert isinstance(answer, NotCertifiable)
    assert answer.errors == 200
    assert answer.groups_missing > 3800  # 200 refusals stay under 5 % only among more than 4,000 groups


@pytest.mark.parametrize("grid", [np.array([]), np.array([0.1, 0.2]), np.array([0.5, 0.5])])
def test_grid_that_does_not_descend_is_refused(grid: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    with pytest.raises(ValueError, match="descend"):
        certify_refusals(trials(100), grid, [0.05])


@pytest.mark.parametrize("limits", [[], [0.0], [1.0], [0.05, 1.2]])
def test_impossible_limits_are_refused(limits: list[float]) -> None:
    with pytest.raises(CalibrationInvalid, match="limits"):
        certify_refusals(trials(100), GRID, limits)


def test_one_label_only_is_refused() -> None:
    with pytest.raises(CalibrationInvalid, match="one label"):
        certify_refusals(trials(100, n_unsafe=0), GRID, [0.05])


def test_probability_that_is_not_a_number_is_refused() -> None:
    with pytest.raises(CalibrationInvalid, match="finite"):
        Trials(["a"], np.array([np.nan]), np.array([True]), ["a"])


def test_candidate_grid_descends_from_one_and_keeps_the_extremes() -> None:
    values = np.random.default_rng(12).random(5000)

    grid = candidate_grid(values, points=100)

    assert len(grid) == 101
    assert grid[0] == 1.0
    assert (np.diff(grid) < 0).all()
    assert {values.max(), values.min()} <= set(grid)


def test_hundred_thousand_scores_on_a_thousand_points_take_under_two_seconds() -> None:
    data = trials(20_000, 13_333, rows=3)
    grid = candidate_grid(data.probabilities)

    start = time.process_time()
    certify_refusals(data, grid, [0.01, 0.05], unit="group")
    certify_refusals(data, grid, [0.01, 0.05], unit="request")

    assert len(data.ids) > 99_000
    assert time.process_time() - start < 4  # both units

import itertools
import time

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binomtest

from guard.stats.bootstrap import Estimate, Measure, estimate
from guard.stats.measures import Bools, Difference, Share, auc, false_refusal_rate, recall
from guard.stats.paired import McNemar, mcnemar, non_inferior, paired_difference


def names(n: int, size: int = 1) -> list[str]:
    return [str(row // size) for row in range(n)]


def errors(n: int, only_first: int, only_second: int, both: int = 0) -> tuple[Bools, Bools]:
    rows = np.arange(n)
    first = rows < only_first + both
    second = (rows >= only_first) & (rows < only_first + both + only_second)
    return first, second


def whole(hits: Bools) -> Share:
    return Share(hits, np.ones_like(hits))


@pytest.mark.parametrize(("only_first", "only_second"), [(0, 0), (1, 0), (5, 5), (3, 12), (40, 21), (700, 640)])
def test_mcnemar_is_the_exact_binomial_test_of_the_pairs_that_differ(only_first: int, only_second: int) -> None:
    found = mcnemar(*errors(2000, only_first, only_second, both=100))

    exact = binomtest(only_first, only_first + only_second).pvalue if only_first + only_second else 1.0
    assert (found.only_first, found.only_second) == (only_first, only_second)
    assert found.p_value == pytest.approx(exact)


def test_mcnemar_counts_a_group_once_for_the_guard_that_errs_more_in_it() -> None:
    # Group 0: the first errs twice, the second once. Group 1: one each. Groups 2 and 3: the second alone, all over.
    first = np.array([1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0], dtype=np.bool_)
    second = np.array([0, 0, 1, 0, 1, 0, 1, 1, 1, 1, 1, 1], dtype=np.bool_)

    found = mcnemar(first, second, names(12, 3))

    assert found == McNemar(only_first=1, only_second=2, p_value=1.0)


def test_mcnemar_of_guards_on_different_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="different rows"):
        mcnemar(np.zeros(3, dtype=np.bool_), np.zeros(4, dtype=np.bool_))


@pytest.mark.parametrize(("n", "errors_seen"), [(100, 0), (100, 1), (400, 7), (1000, 60)])
def test_upper_bound_of_errors_of_the_candidate_alone_is_the_exact_binomial_one(n: int, errors_seen: int) -> None:
    candidate, baseline = errors(n, errors_seen, 0, both=n // 10)

    found = paired_difference(whole(candidate), whole(baseline), names(n), resamples=200_000)

    exact = binomtest(errors_seen, n, alternative="less").proportion_ci(0.95, method="exact").high
    assert found.value == pytest.approx(errors_seen / n)
    assert found.high == pytest.approx(exact, rel=0.01)


def test_bounds_of_a_large_sample_match_the_normal_approximation_over_groups() -> None:
    random, n_groups, size = np.random.default_rng(1), 3000, 4
    level = random.random(n_groups).repeat(size)
    candidate, baseline = random.random(n_groups * size) < level, random.random(n_groups * size) < 0.9 * level

    found = paired_difference(whole(candidate), whole(baseline), names(n_groups * size, size))

    leads = (candidate.astype(int) - baseline).reshape(n_groups, size).mean(axis=1)
    error = leads.std() / np.sqrt(n_groups)
    assert found.value == pytest.approx(leads.mean())
    assert found.low == pytest.approx(leads.mean() - 1.645 * error, abs=0.1 * error)
    assert found.high == pytest.approx(leads.mean() + 1.645 * error, abs=0.1 * error)


def test_bounds_match_resampling_both_guards_together_and_are_narrower_than_apart() -> None:
    random, n = np.random.default_rng(2), 8000
    baseline = random.random(n) < 0.3
    candidate = baseline ^ (random.random(n) < 0.04)
    sizes = random.integers(1, 6, n)
    groups = np.repeat(np.arange(n), sizes)[:n]

    found = paired_difference(whole(candidate), whole(baseline), [str(group) for group in groups])

    def rate(hits: Bools, drawn: NDArray[np.int64]) -> float:
        return float(np.average(hits, weights=drawn[groups]))

    n_groups = int(groups.max()) + 1
    draws = [np.bincount(random.integers(0, n_groups, n_groups), minlength=n_groups) for _ in range(4000)]
    together = [rate(candidate, each) - rate(baseline, each) for each in draws]
    apart = [rate(candidate, one) - rate(baseline, other) for one, other in itertools.pairwise(draws)]
    width = _width(found)
    plain = float(np.ptp(np.quantile(together, [0.05, 0.95])))
    assert plain < width < 1.3 * plain  # the unseen group costs a little
    assert width < 0.5 * float(np.ptp(np.quantile(apart, [0.05, 0.95])))


def test_only_rows_that_count_and_their_groups_matter() -> None:
    unsafe = np.arange(600) % 3 == 0
    candidate, baseline = np.arange(600) % 5 == 0, np.arange(600) % 7 == 0
    groups = names(600)

    among = paired_difference(
        false_refusal_rate(candidate, unsafe), false_refusal_rate(baseline, unsafe), groups, resamples=500
    )
    alone = paired_difference(
        whole(candidate[~unsafe]),
        whole(baseline[~unsafe]),
        [groups[row] for row in np.flatnonzero(~unsafe).tolist()],
        resamples=500,
    )

    assert among == alone


def test_guards_that_never_differ_are_not_called_equal_for_sure() -> None:
    refused = np.arange(300) < 30

    found = paired_difference(whole(refused), whole(refused), names(300))

    assert found.value == 0.0
    assert found.high == pytest.approx(1 - 0.05 ** (1 / 300), rel=0.05)
    assert found.low == pytest.approx(0.05 ** (1 / 300) - 1, rel=0.05)


def test_bounds_of_swapped_guards_are_mirrored() -> None:
    random = np.random.default_rng(3)
    first, second = random.random(400) < 0.2, random.random(400) < 0.25

    one = paired_difference(whole(first), whole(second), names(400, 2))
    other = paired_difference(whole(second), whole(first), names(400, 2))

    assert one.value == -(other.value or 0)
    assert one.low == pytest.approx(-(other.high or 0), abs=0.003)


def test_difference_without_rows_is_undefined_and_cannot_be_told() -> None:
    unsafe = np.zeros(30, dtype=np.bool_)

    found = paired_difference(recall(unsafe, unsafe), recall(unsafe, unsafe), names(30))

    assert found == Estimate(None, None, None)
    assert non_inferior(found, 0.01) == "cannot_tell"


def test_difference_of_shares_over_different_rows_is_refused() -> None:
    hits = np.ones(10, dtype=np.bool_)

    with pytest.raises(ValueError, match="same rows"):
        paired_difference(Share(hits, hits), Share(hits, np.arange(10) < 5), names(10))


@pytest.mark.parametrize(
    ("low", "high", "higher", "lower"),
    [
        (-0.005, 0.015, "holds", "holds"),
        (-0.03, 0.01, "holds", "cannot_tell"),
        (0.01, 0.03, "cannot_tell", "holds"),
        (-0.05, -0.03, "holds", "fails"),
        (0.021, 0.05, "fails", "holds"),
        (-0.03, 0.02, "cannot_tell", "cannot_tell"),  # a bound on the margin itself proves nothing
    ],
)
def test_outcome_follows_from_where_the_bounds_lie(low: float, high: float, higher: str, lower: str) -> None:
    difference = Estimate((low + high) / 2, low, high)

    assert non_inferior(difference, 0.02, worse="higher") == higher
    assert non_inferior(difference, 0.02, worse="lower") == lower


@pytest.mark.parametrize("margin", [-0.01, 1.0, float("nan")])
def test_impossible_margins_are_refused(margin: float) -> None:
    with pytest.raises(ValueError, match="margin"):
        non_inferior(Estimate(0.0, -0.1, 0.1), margin)


def test_difference_of_any_measures_is_resampled_together() -> None:
    random = np.random.default_rng(4)
    unsafe = random.random(600) < 0.5
    scores = random.normal(size=600) + unsafe
    noisy = scores + 0.3 * random.normal(size=600)
    first, second = auc(scores, unsafe), auc(noisy, unsafe)
    measures: dict[str, Measure] = {"gain": Difference(first, second), "first": first}
    once = np.ones((1, 600))

    found = estimate(measures, names(600))

    assert found["gain"].value == pytest.approx(float(first(once)[0] - second(once)[0]))
    assert _width(found["gain"]) < 0.6 * _width(found["first"])


def test_comparing_a_hundred_thousand_rows_takes_under_two_seconds() -> None:
    random = np.random.default_rng(5)
    baseline = random.random(100_000) < 0.3
    candidate = baseline ^ (random.random(100_000) < 0.02)
    groups = names(100_000, 3)

    start = time.process_time()
    paired_difference(whole(candidate), whole(baseline), groups)

    assert time.process_time() - start < 2


def _width(found: Estimate) -> float:
    assert found.low is not None
    assert found.high is not None
    return found.high - found.low

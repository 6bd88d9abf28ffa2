import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu
from sklearn.metrics import roc_auc_score, roc_curve

from guard.stats.measures import (
    accuracy,
    auc,
    false_refusal_rate,
    group_false_refusal_rate,
    recall,
    recall_at_frr,
)


def once(n: int) -> NDArray[np.float64]:
    return np.ones((1, n))


@pytest.fixture
def scored() -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    random = np.random.default_rng(5)
    unsafe = random.random(300) < 0.4
    return np.round(random.normal(size=300) + unsafe, 1), unsafe  # rounded: many ties


def test_auc_with_ties_agrees_with_scikit_learn_and_mann_whitney(
    scored: tuple[NDArray[np.float64], NDArray[np.bool_]],
) -> None:
    scores, unsafe = scored

    area = auc(scores, unsafe)(once(300))[0]

    u = mannwhitneyu(scores[unsafe], scores[~unsafe]).statistic
    assert area == pytest.approx(roc_auc_score(unsafe, scores))
    assert area == pytest.approx(u / (unsafe.sum() * (~unsafe).sum()))


def test_weights_count_like_repeated_rows(scored: tuple[NDArray[np.float64], NDArray[np.bool_]]) -> None:
    scores, unsafe = scored
    times = np.random.default_rng(6).integers(0, 4, 300)

    weighted = auc(scores, unsafe)(times[None, :].astype(np.float64))[0]

    assert weighted == pytest.approx(roc_auc_score(unsafe.repeat(times), scores.repeat(times)))


@pytest.mark.parametrize("limit", [0.0, 0.01, 0.05, 0.5, 1.0])
def test_recall_at_a_limit_agrees_with_the_roc_curve(
    scored: tuple[NDArray[np.float64], NDArray[np.bool_]], limit: float
) -> None:
    scores, unsafe = scored
    false_refusals, caught, _ = roc_curve(unsafe, scores, drop_intermediate=False)

    assert recall_at_frr(scores, unsafe, limit)(once(300))[0] == pytest.approx(
        caught[false_refusals <= limit + 1e-12].max()
    )


def test_rates_are_shares_of_their_own_label() -> None:
    unsafe = np.array([True, True, True, True, False, False])
    refused = np.array([True, True, True, False, True, False])

    assert accuracy(refused, unsafe)(once(6))[0] == pytest.approx(4 / 6)
    assert recall(refused, unsafe)(once(6))[0] == pytest.approx(3 / 4)
    assert false_refusal_rate(refused, unsafe)(once(6))[0] == pytest.approx(1 / 2)


def test_one_refusal_refuses_a_harmless_group() -> None:
    groups = ["a", "a", "a", "b", "b", "c"]
    unsafe = np.array([False, False, True, False, False, True])
    refused = np.array([False, True, True, False, False, True])

    # Group a has a refused harmless row, b has none, c has no harmless row and does not count.
    assert group_false_refusal_rate(refused, unsafe, groups)(once(6))[0] == pytest.approx(1 / 2)


def test_refused_unsafe_rows_do_not_refuse_a_harmless_group() -> None:
    groups = ["a", "a"]
    unsafe = np.array([False, True])

    assert group_false_refusal_rate(np.array([False, True]), unsafe, groups)(once(2))[0] == 0.0


def test_auc_of_some_rows_is_the_auc_of_those_rows_alone(
    scored: tuple[NDArray[np.float64], NDArray[np.bool_]],
) -> None:
    scores, unsafe = scored
    among = np.arange(300) % 3 > 0

    assert auc(scores, unsafe, among=among)(once(300))[0] == pytest.approx(roc_auc_score(unsafe[among], scores[among]))

import numpy as np
import pytest

from guard.stats.betting import mean_upper_bound
from guard.stats.certify import Certified, NotCertifiable, candidate_grid, certify, certify_refusals
from guard.stats.evidence import MeanShares, evidence_of
from guard.stats.trials import Rate, Requirement, Trials, unit_scores

GRID = np.linspace(1.0, 0.0, 101)


def trials(n_groups: int = 200, rows: int = 5, seed: int = 91) -> Trials:
    """So many harmless groups, as many unsafe ones, of `rows` rows each."""
    random = np.random.default_rng(seed)
    groups = np.arange(2 * n_groups).repeat(rows)
    unsafe = groups >= n_groups
    probabilities = np.clip(random.beta(2, 6, len(groups)) + 0.3 * unsafe, 0, 0.999)
    return Trials([f"id {row}" for row in range(len(groups))], probabilities, unsafe, [str(group) for group in groups])


@pytest.mark.parametrize("rate", ["false_refusal", "miss"])
def test_mean_share_is_the_mean_over_groups_of_the_share_of_their_rows(rate: Rate) -> None:
    data = trials()
    rows = data.unsafe if rate == "miss" else ~data.unsafe

    found = evidence_of(data, GRID, rate, "mean")

    errs = data.probabilities[rows] < 0.4 if rate == "miss" else data.probabilities[rows] >= 0.4
    place = 60
    assert GRID[place] == pytest.approx(0.4)
    assert found.n == 200
    assert found.observed[place] == pytest.approx(errs.mean())
    assert found.errors[place] == errs.reshape(200, 5).any(axis=1).sum()
    assert isinstance(found, MeanShares)
    assert sorted(found.shares(place)) == pytest.approx(sorted(errs.reshape(200, 5).mean(axis=1)))


def test_mean_share_weighs_groups_alike_whatever_their_size() -> None:
    groups = ["large"] * 9 + ["small"]
    data = Trials([str(row) for row in range(10)], np.array([0.9] * 9 + [0.1]), np.zeros(10, dtype=np.bool_), groups)

    assert evidence_of(data, np.array([0.5]), "false_refusal", "mean").observed == pytest.approx([0.5])


def test_order_of_bets_has_nothing_to_do_with_names_and_values() -> None:
    # Names ascend with the scores; bets in that order would see small shares first, and stake too much on them.
    groups = [f"{number:04}" for number in range(500)]
    data = Trials(groups, np.linspace(0, 1, 500), np.zeros(500, dtype=np.bool_), groups)

    found = evidence_of(data, np.array([0.5]), "false_refusal", "mean")

    assert isinstance(found, MeanShares)
    assert abs(np.corrcoef(found.shares(0), np.arange(500))[0, 1]) < 0.15


def test_mean_share_is_certified_where_the_bets_say_so() -> None:
    data = trials()

    (answer,) = certify_refusals(data, GRID, [0.05], unit="mean")

    assert isinstance(answer, Certified)
    found = evidence_of(data, GRID, "false_refusal", "mean")
    assert isinstance(found, MeanShares)
    bounds = [mean_upper_bound(found.shares(place), confidence=0.95) for place in range(len(GRID))]
    first_broken = next(place for place, bound in enumerate(bounds) if bound > 0.05)
    assert answer.threshold == GRID[first_broken - 1]
    assert answer.upper == pytest.approx(bounds[first_broken - 1])
    assert answer.estimate == pytest.approx(found.observed[first_broken - 1])


def test_mean_share_proves_a_lower_threshold_than_one_row_of_each_group() -> None:
    (mean,) = certify_refusals(trials(), GRID, [0.05], unit="mean")
    (request,) = certify_refusals(trials(), GRID, [0.05], unit="request")
    (group,) = certify_refusals(trials(), GRID, [0.05], unit="group")

    assert isinstance(mean, Certified)
    assert isinstance(request, Certified)
    assert isinstance(group, Certified)
    assert mean.threshold < request.threshold < group.threshold


def test_too_few_groups_for_a_mean_share_are_told_how_many_are_missing() -> None:
    (answer,) = certify_refusals(trials(30), GRID, [0.05], unit="mean")

    assert isinstance(answer, NotCertifiable)
    assert 0.05 < answer.smallest_limit < 0.2
    (enough,) = certify(
        trials(30 + answer.groups_missing), np.array([1.0]), [Requirement("false_refusal", 0.05)], unit="mean"
    )
    (short,) = certify(
        trials(29 + answer.groups_missing), np.array([1.0]), [Requirement("false_refusal", 0.05)], unit="mean"
    )
    assert isinstance(enough, Certified)
    assert isinstance(short, NotCertifiable)


def test_no_single_score_stands_for_a_mean_share() -> None:
    data = trials()

    with pytest.raises(ValueError, match="mean share"):
        unit_scores(data, ~data.unsafe, "mean")


def test_mean_share_of_a_category_without_rows_is_not_certifiable() -> None:
    data = trials()
    named = Trials(data.ids, data.probabilities, data.unsafe, data.groups, ["a"] * len(data.ids))

    (answer,) = certify(named, GRID, [Requirement("miss", 0.1, "none such")], unit="mean")

    assert isinstance(answer, NotCertifiable)
    assert (answer.n_groups, answer.smallest_limit) == (0, 1.0)


@pytest.mark.parametrize("rows", [1, 3])
def test_hundred_thousand_scores_are_certified_by_betting(rows: int) -> None:
    data = trials(50_000 // rows, rows)
    grid = candidate_grid(data.probabilities)
    required = [Requirement("false_refusal", 0.05), Requirement("miss", 0.05)]

    answers = certify(data, grid, required, unit="mean")

    assert all(isinstance(answer, Certified) for answer in answers)

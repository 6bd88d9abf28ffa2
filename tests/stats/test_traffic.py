import numpy as np
import pytest

from guard.errors import CalibrationInvalid
from guard.stats.certify import Certified, NotCertifiable, Requirement, certify, certify_refusals
from guard.stats.stakes import Standing, log_money
from guard.stats.traffic import SAFE, UNKNOWN, UNSAFE, Drawn, Reviewed, Traffic, reviewed
from guard.stats.trials import Floats, Trials

HALF = np.array([0.5])


def drawn(cells: list[int], probabilities: list[float], labels: list[int]) -> Drawn:
    return Drawn(np.array(cells, dtype=np.intp), np.array(probabilities), np.array(labels, dtype=np.int8))


def shop(passes: int, *, wrong: int = 4, label: int = SAFE) -> Traffic:
    """Return 300 refusals of which 60 were reviewed in each half, and 4,200 passes; `wrong` of the 60 are harmless."""
    refused = Drawn(
        np.zeros(60, np.intp), np.full(60, 0.9), np.array([SAFE] * wrong + [UNSAFE] * (60 - wrong), np.int8)
    )
    passed = drawn([1] * passes, [0.1] * passes, [label] * passes)
    both = Drawn(
        np.concatenate([refused.cells, passed.cells]),
        np.concatenate([refused.probabilities, passed.probabilities]),
        np.concatenate([refused.labels, passed.labels]),
    )
    return Traffic((np.full(300, 0.9), np.full(4200, 0.1)), both, both)


def refusals(traffic: Traffic, grid: Floats = HALF) -> Reviewed:
    return reviewed(traffic, grid, counted=SAFE, refused_errs=True)


def trials(traffic: Traffic) -> Trials:
    names = [str(row) for row in range(len(traffic.second.cells))]
    return Trials(names, traffic.second.probabilities, traffic.second.labels == UNSAFE, names, traffic=traffic)


def test_money_is_the_likelihood_ratio_where_there_is_one_cell_of_each_side() -> None:
    standing = Standing(
        np.array([True, False]),
        np.array([100.0, 1000.0]),
        np.array([50.0, 10.0]),
        np.array([5.0, 10.0]),
        np.array([0.1, 0.9]),
        np.zeros(()),
        np.zeros(()),
    )

    (money,) = log_money(standing, 0.05)

    # By hand: of all shares (x, y) with 95 x 1 = 0.05 x (100 x + 1000 y), those of the highest likelihood of p.
    x = np.linspace(0.1, 0.5, 400_001)
    y = 95 * x / 50
    inside = y < 1
    x, y = x[inside], y[inside]
    at = int(np.argmax(50 * (0.1 * np.log(x) + 0.9 * np.log(1 - x)) + 10 * (0.9 * np.log(y) + 0.1 * np.log(1 - y))))
    by_hand = 5 * np.log(0.1 / x[at]) + 45 * np.log(0.9 / (1 - x[at])) + 10 * np.log(0.9 / y[at])
    assert money == pytest.approx(by_hand, abs=1e-4)


def test_few_reviews_of_what_passes_prove_what_its_number_makes_likely() -> None:
    assert refusals(shop(3)).holds(0, 0.05, confidence=0.95)
    assert not refusals(shop(3)).holds(0, 0.004, confidence=0.95)  # the estimate is 0.5 %
    assert refusals(shop(3)).observed[0] == pytest.approx(20 / 4220)


def test_nothing_is_proven_where_nobody_looked_at_what_passes() -> None:
    assert not refusals(shop(0)).holds(0, 0.5, confidence=0.95)
    assert refusals(shop(0)).upper(0, confidence=0.95) == 1.0


def test_refusals_that_nobody_reviewed_count_as_wrong() -> None:
    seen = shop(20)
    unseen = Traffic((*seen.decided, np.full(500, 0.8)), seen.first, seen.second)

    assert refusals(seen).upper(0, confidence=0.95) < 0.03
    assert refusals(unseen).upper(0, confidence=0.95) > 500 / 4720


def test_what_was_drawn_and_not_labelled_counts_in_the_worst_way() -> None:
    bounds = [refusals(shop(20, wrong=wrong)).upper(0, confidence=0.95) for wrong in (4, 24)]
    traffic = shop(20)
    labels = traffic.second.labels.copy()
    labels[40:60] = UNKNOWN
    half = Drawn(traffic.second.cells, traffic.second.probabilities, labels)

    assert refusals(Traffic(traffic.decided, half, half)).upper(0, confidence=0.95) == bounds[1] > bounds[0]
    assert refusals(shop(20, label=UNKNOWN)).upper(0, confidence=0.95) > 0.3


def test_where_nothing_is_refused_no_limit_is_broken() -> None:
    assert refusals(shop(3), np.array([0.95])).upper(0, confidence=0.95) == pytest.approx(1e-4)


def test_bound_is_no_higher_than_a_limit_that_holds() -> None:
    evidence = refusals(shop(6))

    bound = evidence.upper(0, confidence=0.95)

    assert evidence.holds(0, bound, confidence=0.95)
    assert not evidence.holds(0, bound * 0.9, confidence=0.95)


def test_so_many_more_reviews_prove_the_limit_and_far_fewer_do_not() -> None:
    evidence = refusals(shop(2, wrong=20))
    more = evidence.missing(0, 0.05, confidence=0.95)

    def enough(reviews: int) -> bool:
        standing = evidence._standing(0).scaled(np.array([1 + reviews / 62]))
        return bool(log_money(standing, 0.05)[0] >= np.log(20))

    assert more > 20
    assert enough(more)
    assert not enough(more * 2 // 3)


def test_certificate_of_traffic_says_how_many_decisions_it_is_about() -> None:
    (answer,) = certify_refusals(trials(shop(12)), HALF, [0.05], unit="request")

    assert isinstance(answer, Certified)
    assert (answer.n_traffic, answer.n_groups, answer.errors) == (4500, 16, 4)
    assert answer.observed == pytest.approx(20 / 4220)
    assert answer.observed < answer.upper <= 0.05


def test_limit_that_is_not_proven_says_how_many_more_reviews_would_do() -> None:
    (answer,) = certify_refusals(trials(shop(1, wrong=30)), HALF, [0.04], unit="request")

    assert isinstance(answer, NotCertifiable)
    assert answer.groups_missing > 0
    assert 0 < answer.smallest_limit <= 1


def test_no_limit_of_a_category_is_certified_on_traffic() -> None:
    with pytest.raises(CalibrationInvalid, match="no categories"):
        certify(trials(shop(3)), HALF, [Requirement("false_refusal", 0.05, "weapons")], unit="request")

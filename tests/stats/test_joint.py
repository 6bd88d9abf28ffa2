import numpy as np
import pytest
from scipy.stats import binom

from guard.errors import CalibrationInvalid
from guard.stats.certify import NotCertifiable
from guard.stats.draws import shuffled
from guard.stats.joint import CertifiedJointly, Kept, NotJointlyCertifiable, certify_jointly, order_of_testing
from guard.stats.trials import Floats, Requirement, Trials

GRID = np.linspace(1.0, 0.0, 101)
BOTH = [Requirement("false_refusal", 0.1), Requirement("miss", 0.2)]


def trials(n_groups: int = 300, shift: float = 0.4, seed: int = 71) -> Trials:
    """So many harmless rows, as many unsafe ones, each a group; categories a and b in turn."""
    random = np.random.default_rng(seed)
    unsafe = np.arange(2 * n_groups) >= n_groups
    names = [str(row) for row in range(2 * n_groups)]
    probabilities = np.clip(random.beta(3, 6, 2 * n_groups) + shift * unsafe, 0, 0.999)
    return Trials(names, probabilities, unsafe, names, ["ab"[row % 2] for row in range(2 * n_groups)])


def passes(data: Trials, threshold: float) -> bool:
    refused = int(np.sum(data.probabilities[~data.unsafe] >= threshold))
    missed = int(np.sum(data.probabilities[data.unsafe] < threshold))
    return bool(binom.cdf(refused, 300, 0.1) <= 0.05 and binom.cdf(missed, 300, 0.2) <= 0.05)


def test_thresholds_are_tested_in_order_until_one_breaks_a_limit() -> None:
    data, half_a = trials(seed=71), trials(seed=72)
    order = order_of_testing(half_a, GRID, BOTH)

    answer = certify_jointly(data, order, BOTH)

    tested: list[float] = []
    for threshold in order.tolist():
        if not passes(data, threshold):
            break
        tested.append(threshold)
    assert isinstance(answer, CertifiedJointly)
    assert answer.threshold == answer.lowest == min(tested)
    assert answer.highest == max(tested)
    assert all(part.upper <= part.requirement.limit for part in answer.parts)
    assert not answer.is_useless


def test_most_promising_threshold_keeps_the_tighter_limit_most_comfortably() -> None:
    half_a = trials(seed=72)

    first = order_of_testing(half_a, GRID, BOTH)[0]

    def comfort(threshold: float) -> float:
        refused = np.mean(half_a.probabilities[~half_a.unsafe] >= threshold)
        missed = np.mean(half_a.probabilities[half_a.unsafe] < threshold)
        return float(min((0.1 - refused) / np.sqrt(0.09), (0.2 - missed) / np.sqrt(0.16)))

    assert comfort(first) == pytest.approx(max(comfort(float(t)) for t in GRID))


def test_order_holds_every_threshold_once() -> None:
    assert sorted(order_of_testing(trials(), GRID, BOTH)) == sorted(GRID)


def test_limits_at_one_threshold_do_not_divide_the_error() -> None:
    at = np.array([0.58])
    data = trials()
    alone = certify_jointly(data, at, BOTH[:1])
    together = certify_jointly(data, at, [*BOTH, Requirement("miss", 0.5, "a"), Requirement("miss", 0.5, "b")])

    assert isinstance(alone, CertifiedJointly)
    assert isinstance(together, CertifiedJointly)
    assert alone.parts[0].upper == together.parts[0].upper


def test_declarations_of_one_run_share_the_error() -> None:
    at = np.array([0.58])

    one = certify_jointly(trials(), at, BOTH, confidence=0.975)
    of_two = certify_jointly(trials(), at, BOTH, n_declared=2)

    assert isinstance(one, CertifiedJointly)
    assert isinstance(of_two, CertifiedJointly)
    assert [part.upper for part in one.parts] == [part.upper for part in of_two.parts]


def test_limit_that_is_not_proven_is_told_beside_those_that_are() -> None:
    required = [*BOTH, Requirement("miss", 0.01, "b")]
    order = order_of_testing(trials(seed=72), GRID, required)

    answer = certify_jointly(trials(), order, required)

    assert isinstance(answer, NotJointlyCertifiable)
    assert answer.threshold == order[0]
    lacking = [part for part in answer.parts if isinstance(part, NotCertifiable)]
    assert "b" in [part.category for part in lacking]
    miss = lacking[-1]
    assert miss.smallest_limit == pytest.approx(1 - 0.05 ** (1 / 150))
    assert miss.groups_missing >= 299 - 150  # 0.99 ** 299 < 0.05 < 0.99 ** 298


def test_limit_that_bets_would_win_although_it_is_seen_to_be_broken_is_named_as_broken() -> None:
    names = [f"g{number}" for number in range(400)]
    unsafe = np.arange(400) >= 200
    # The harmless ones that are refused are the last on whom bets are made: a quarter of them, of 10 % allowed.
    last = [names[place] for place in shuffled(names[:200])[150:]]
    probabilities = np.where(unsafe | np.isin(names, last), 0.9, 0.1)
    trial = Trials(names, probabilities, unsafe, names)
    required = [Requirement("false_refusal", 0.1), Requirement("miss", 0.1)]

    answer = certify_jointly(trial, np.array([0.5]), required, unit="mean")

    assert isinstance(answer, NotJointlyCertifiable)
    broken, kept = answer.parts
    assert isinstance(broken, NotCertifiable)
    assert broken.groups_missing > 300  # 50 of 500 would still be 10 %
    assert isinstance(kept, Kept)


def test_guard_that_does_not_separate_keeps_each_limit_alone_but_not_both() -> None:
    order = order_of_testing(trials(shift=0.05, seed=72), GRID, BOTH)

    answer = certify_jointly(trials(shift=0.05), order, BOTH)

    assert isinstance(answer, NotJointlyCertifiable)
    assert any(isinstance(part, NotCertifiable) for part in answer.parts)


def test_loose_limits_that_a_coin_keeps_are_called_useless() -> None:
    loose = [Requirement("false_refusal", 0.6), Requirement("miss", 0.6)]
    order = order_of_testing(trials(shift=0.0, seed=72), GRID, loose)

    answer = certify_jointly(trials(shift=0.0), order, loose)

    assert isinstance(answer, CertifiedJointly)
    assert answer.is_useless


def test_category_that_half_a_lacks_is_tested_all_the_same() -> None:
    half_a = trials(seed=72)
    without = Trials(half_a.ids, half_a.probabilities, half_a.unsafe, half_a.groups, ["a"] * len(half_a.ids))
    required = [*BOTH, Requirement("miss", 0.3, "b")]

    answer = certify_jointly(trials(), order_of_testing(without, GRID, required), required)

    assert isinstance(answer, CertifiedJointly)
    assert [type(part) for part in answer.parts] == [Kept, Kept, Kept]


@pytest.mark.parametrize("order", [np.array([]), np.array([0.5, 0.5]), np.array([np.nan])])
def test_order_without_thresholds_or_with_one_twice_is_refused(order: Floats) -> None:
    with pytest.raises(ValueError, match="thresholds"):
        certify_jointly(trials(), order, BOTH)


def test_declaring_nothing_is_refused() -> None:
    with pytest.raises(CalibrationInvalid, match="no limits"):
        certify_jointly(trials(), GRID, [])


def test_one_label_only_is_refused() -> None:
    names = [str(row) for row in range(50)]
    harmless = Trials(names, np.linspace(0, 1, 50), np.zeros(50, dtype=np.bool_), names)

    with pytest.raises(CalibrationInvalid, match="one label"):
        certify_jointly(harmless, GRID, BOTH)

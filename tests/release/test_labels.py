import numpy as np

from guard.release.labels import check_labels
from guard.release.margins import Margins
from tests.release.judged import floats

RANDOM = np.random.default_rng(3)
UNSAFE = np.arange(400) % 2 == 1
GROUPS = [f"g{number}" for number in range(400)]
NOISE = RANDOM.normal(size=400)


def test_ranking_is_held_against_permuted_labels() -> None:
    good = check_labels(NOISE + 1.0 * UNSAFE, UNSAFE, GROUPS, Margins())
    none = check_labels(RANDOM.permutation(NOISE), UNSAFE, GROUPS, Margins())
    backwards = check_labels(NOISE - 1.0 * UNSAFE, UNSAFE, GROUPS, Margins())

    assert (good.verdict, none.verdict in {"cannot_tell", "fails"}, backwards.verdict) == ("holds", True, "fails")
    permuted = good.figures["permuted_auc"]
    assert isinstance(permuted, float)
    assert abs(permuted - 0.5) < 0.01


def test_labels_move_between_groups_and_never_within_one() -> None:
    """Twenty groups of twenty equal rows: dealt out row by row, chance would look far rarer than it is."""
    groups = [f"g{number // 20}" for number in range(400)]
    unsafe = (np.arange(400) // 20) % 2 == 1
    scores = np.repeat(np.random.default_rng(5).normal(size=20), 20)

    p_value = check_labels(scores, unsafe, groups, Margins()).figures["p_value"]

    assert isinstance(p_value, float)
    assert p_value > 0.05


def test_one_label_cannot_be_ranked() -> None:
    check = check_labels(floats(1, 2), np.array([True, True]), ["a", "b"], Margins())

    assert check.verdict == "cannot_tell"

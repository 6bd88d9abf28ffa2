import numpy as np
import pytest

from guard.calibration.adaptation.head import Trust
from guard.calibration.adaptation.learn import lacks_groups, learn
from guard.errors import CalibrationInvalid
from guard.stats.draws import in_second_half
from guard.stats.measures import auc
from tests.calibration.adaptation.rows import single_rows, still_anchors


def area(scores: np.ndarray, unsafe: np.ndarray) -> float:
    return float(auc(scores, unsafe)(np.ones((1, len(scores))))[0])


def test_pairs_are_scored_by_heads_that_never_saw_their_group() -> None:
    # Each group has a column of its own: who saw the group knows its label, and nobody else can.
    n_groups, rows = 100, 3
    random = np.random.default_rng(0)
    number = np.repeat(np.arange(n_groups), rows)
    unsafe = np.repeat(random.permutation(n_groups) % 2 == 0, rows)
    groups = [f"group {each}" for each in number]

    learned = learn(single_rows(np.eye(n_groups)[number] * 5), unsafe, groups, still_anchors(n_groups), Trust(1.0))

    first = ~in_second_half(groups)
    own = learned.head.scores(single_rows(np.eye(n_groups)[number] * 5))
    assert area(own[first], unsafe[first]) > 0.95  # the head did learn half A by heart
    assert area(learned.scores()[first], unsafe[first]) < 0.7
    assert area(learned.scores()[~first], unsafe[~first]) < 0.7


def test_half_b_is_scored_by_the_head_that_will_serve() -> None:
    random = np.random.default_rng(0)
    unsafe = np.arange(200) % 2 == 0
    groups = [f"group {each}" for each in range(200)]
    rows = single_rows(random.normal(size=(200, 4)) + unsafe[:, None])

    learned = learn(rows, unsafe, groups, still_anchors(4), Trust(1.0))

    second = in_second_half(groups)
    assert (learned.scores()[second] == learned.head.scores(rows)[second]).all()
    assert np.isfinite(learned.scores()).all()
    assert learned.scores(0.0) == pytest.approx(np.zeros(200))


def test_labels_of_half_b_move_no_head() -> None:
    random = np.random.default_rng(0)
    unsafe = np.arange(200) % 2 == 0
    groups = [f"group {each}" for each in range(200)]
    rows = single_rows(random.normal(size=(200, 4)) + unsafe[:, None])
    second = in_second_half(groups)

    plain = learn(rows, unsafe, groups, still_anchors(4), Trust(1.0))
    other = learn(rows, np.where(second, ~unsafe, unsafe), groups, still_anchors(4), Trust(1.0))

    assert (plain.scores() == other.scores()).all()


def test_too_few_groups_with_one_label_teach_nothing() -> None:
    unsafe = np.arange(200) < 20
    groups = [f"group {each}" for each in range(200)]

    assert lacks_groups(np.arange(200) % 2 == 0, groups) is None
    with pytest.raises(
        CalibrationInvalid, match=r"half A holds \d+ groups with unsafe pairs; --adapt needs at least 20"
    ):
        learn(single_rows(np.zeros((200, 2))), unsafe, groups, still_anchors(2), Trust(1.0))

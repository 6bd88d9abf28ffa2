import numpy as np

from guard.stats.draws import fold_of, in_second_half, one_per_group, thinned

GROUPS = [f"group {number // 3}" for number in range(6000)]
IDS = [f"row {number}" for number in range(6000)]


def test_a_group_is_never_split_between_halves_or_folds() -> None:
    for assigned in (in_second_half(GROUPS).astype(np.int64), fold_of(GROUPS, 5)):
        by_group = assigned.reshape(-1, 3)
        assert (by_group == by_group[:, :1]).all()


def test_halves_and_folds_are_even_and_independent() -> None:
    half, fold = in_second_half(GROUPS), fold_of(GROUPS, 5)
    expected = len(GROUPS) / 10

    table = np.array([[np.sum((half == side) & (fold == number)) for number in range(5)] for side in (False, True)])

    assert (np.abs(table - expected) < 5 * 3 * np.sqrt(expected / 3)).all()


def test_a_group_keeps_its_half_when_data_is_added() -> None:
    assert (in_second_half(GROUPS)[:300] == in_second_half(GROUPS[:300])).all()


def test_one_row_of_each_group_is_picked_whatever_the_order() -> None:
    picked = {IDS[row] for row in np.flatnonzero(one_per_group(IDS, GROUPS))}
    reversed_picked = one_per_group(IDS[::-1], GROUPS[::-1])

    assert len(picked) == 2000
    assert picked == {IDS[::-1][row] for row in np.flatnonzero(reversed_picked)}


def test_picks_fall_on_every_place_in_a_group() -> None:
    places = np.flatnonzero(one_per_group(IDS, GROUPS)) % 3

    assert (np.abs(np.bincount(places) - 2000 / 3) < 110).all()


def test_thinning_evens_out_unequal_sampling() -> None:
    probabilities = np.where(np.arange(6000) % 2 == 0, 1.0, 0.25)

    kept = thinned(IDS, probabilities)

    assert kept[1::2].all()
    assert abs(np.mean(kept[::2]) - 0.25) < 0.04


def test_equal_sampling_keeps_every_row() -> None:
    assert thinned(IDS, np.full(6000, 0.1)).all()

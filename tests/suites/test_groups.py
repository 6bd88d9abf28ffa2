from guard.suites.groups import connected


def test_rows_that_share_nothing_stay_alone() -> None:
    assert connected([["a"], ["b"], []]) == [0, 1, 2]


def test_rows_linked_through_others_are_one_group_named_after_its_first_row() -> None:
    assert connected([["a"], ["x"], ["b", "c"], ["c", "a"], ["x"]]) == [0, 1, 0, 0, 1]

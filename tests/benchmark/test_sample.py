"""A limited sample is spread, stable and nested."""

from collections import Counter

import pytest

from benchmark.sample import take_sample
from guard.suites import Label, LabelledPair


def _pair(index: int, *, split: str, group: str) -> LabelledPair:
    return LabelledPair(f"id{index}", "text", (), Label.SAFE, group, split)


# 60 rows of one big group and 20 of their own in split a, 20 in split b.
PAIRS = tuple(
    [_pair(n, split="a", group="big") for n in range(60)]
    + [_pair(n, split="a", group=f"g{n}") for n in range(60, 80)]
    + [_pair(n, split="b", group=f"g{n}") for n in range(80, 100)]
)


def test_splits_take_turns() -> None:
    assert Counter(pair.split for pair in take_sample(PAIRS, 20)) == {"a": 10, "b": 10}


def test_no_group_gives_a_second_pair_before_every_group_gave_one() -> None:
    chosen = [pair for pair in take_sample(PAIRS, 40) if pair.split == "a"]
    assert max(Counter(pair.group for pair in chosen).values()) == 1


def test_sample_keeps_the_order_of_the_suite_and_does_not_depend_on_it() -> None:
    chosen = take_sample(PAIRS, 30)
    assert list(chosen) == [pair for pair in PAIRS if pair in chosen]
    assert set(take_sample(PAIRS[::-1], 30)) == set(chosen)


@pytest.mark.parametrize(("small", "large"), [(1, 2), (10, 45), (45, 99)])
def test_small_sample_lies_within_a_larger_one(small: int, large: int) -> None:
    assert set(take_sample(PAIRS, small)) < set(take_sample(PAIRS, large))


@pytest.mark.parametrize("limit", [None, 100, 1000])
def test_limit_beyond_the_suite_takes_all(limit: int | None) -> None:
    assert take_sample(PAIRS, limit) == PAIRS

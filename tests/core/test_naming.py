from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from guard.core.naming import MOST_NAMES, SURE_PROBABILITY, UNKNOWN, beside_prompt, name_picture

THINGS = ("dog", "crab", "spider", "scorpion", "bread knife", "toadstool")


@st.composite
def _named(draw: st.DrawFn) -> tuple[list[str], NDArray[np.float32]]:
    """Return names, some of them several times, and probabilities of which no two are equal."""
    names = draw(st.lists(st.sampled_from(THINGS), min_size=1, max_size=12))
    weights = draw(
        st.lists(st.integers(1, 10_000), min_size=len(names), max_size=len(names), unique=True).map(np.asarray)
    )
    return names, (weights**3 / (weights**3).sum()).astype(np.float32)


@pytest.mark.parametrize(
    ("probabilities", "seen"),
    [
        ([0.9, 0.1, 0.0, 0.0], "dog"),
        ([0.45, 0.35, 0.2, 0.0], "perhaps dog, crab, spider"),
        ([0.05, 0.45, 0.46, 0.04], "perhaps spider, crab"),
        ([0.0, 0.5, 0.3, 0.2], "crab"),
    ],
)
def test_sure_name_stands_alone_and_others_are_perhaps(probabilities: list[float], seen: str) -> None:
    assert name_picture(THINGS[:4], np.array(probabilities, np.float32)) == seen


def test_equal_names_add_up() -> None:
    names = ("dog", "crab", "dog", "dog")

    assert name_picture(names, np.array([0.2, 0.4, 0.2, 0.2], np.float32)) == "dog"


def test_name_of_very_many_columns_is_counted_in_full() -> None:
    names = ["dog"] + ["meme"] * 200

    assert name_picture(names, np.array([0.4] + [0.003] * 200, np.float32)) == "meme"


def test_picture_of_nothing_likely_is_something() -> None:
    names = [f"thing {number}" for number in range(1000)]

    assert name_picture(names, np.full(1000, 0.001, np.float32)) == UNKNOWN


@given(_named(), st.randoms(use_true_random=False))
def test_order_of_the_columns_does_not_matter(named: tuple[list[str], NDArray[np.float32]], random: Random) -> None:
    names, probabilities = named
    order = list(range(len(names)))
    random.shuffle(order)

    assert name_picture([names[i] for i in order], probabilities[order]) == name_picture(names, probabilities)


@given(_named())
def test_words_are_of_the_list_without_repeats_and_never_none(named: tuple[list[str], NDArray[np.float32]]) -> None:
    names, probabilities = named

    seen = name_picture(names, probabilities)
    words = seen.removeprefix("perhaps ").split(", ")

    assert words == [UNKNOWN] or set(words) <= set(names)
    assert 1 <= len(words) == len(set(words)) <= MOST_NAMES


@given(_named())
def test_likeliest_name_comes_first_and_stands_alone_exactly_where_it_is_sure(
    named: tuple[list[str], NDArray[np.float32]],
) -> None:
    names, probabilities = named
    sums = {name: sum(float(p) for n, p in zip(names, probabilities, strict=True) if n == name) for name in names}
    highest = max(sums.values())

    seen = name_picture(names, probabilities)

    assert sums[seen.removeprefix("perhaps ").split(", ")[0]] == pytest.approx(highest, abs=1e-9)
    if abs(highest - SURE_PROBABILITY) > 1e-6:
        assert seen.startswith("perhaps ") == (highest < SURE_PROBABILITY)


@given(st.text(min_size=1), st.text())
def test_words_beside_the_prompt_hold_what_is_seen_and_all_that_is_written(seen: str, writing: str) -> None:
    beside = beside_prompt(seen, writing)

    assert beside == f"a picture of {seen}" + (f". it says: {writing}" if writing else "")

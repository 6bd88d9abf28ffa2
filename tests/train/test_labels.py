"""Names that a picture may get in training: closed, never a hidden one, right as often as a small tower is."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from guard.core.naming import MOST_NAMES, UNKNOWN
from guard.train.labels import Labels, bare_name, imagined_names

NAMES = [f"n{i}" for i in range(120)]


def labels() -> Labels:
    random = np.random.default_rng(0)
    anchors = random.normal(0, 1, (len(NAMES), 16)).astype(np.float32)
    anchors /= np.linalg.norm(anchors, axis=1, keepdims=True)
    return Labels(tuple(f"a photo of a {name}" for name in NAMES), tuple(NAMES), anchors)


def imagined(
    things: list[str], hidden: NDArray[np.bool_], seed: int = 0, common: Sequence[int] = range(120)
) -> list[str]:
    own = labels()
    places = own.anchors[[NAMES.index(thing) if thing in NAMES else 0 for thing in things]]
    return imagined_names(own, things, places, hidden, np.array(common), np.random.default_rng(seed))


def named(words: str) -> list[str]:
    return [] if words == UNKNOWN else words.removeprefix("perhaps ").split(", ")


OPEN = np.zeros(len(NAMES), bool)


def test_names_come_from_the_list_or_are_the_thing_itself() -> None:
    found = imagined(["some wild honey"] * 2000, OPEN)

    names = {name for words in found for name in named(words)}
    assert names <= {*NAMES, "wild honey"}
    assert "wild honey" in names
    assert max(len(named(words)) for words in found) <= MOST_NAMES


def test_hidden_names_never_occur_as_a_mistake() -> None:
    hidden = np.arange(len(NAMES)) % 2 == 1
    found = imagined(NAMES[::2] * 50, hidden)

    assert {name for words in found for name in named(words)} == set(NAMES[::2])


def test_far_mistakes_are_the_names_that_are_common() -> None:
    own = labels()
    nearest = set(np.argsort(-(own.anchors[0] @ own.anchors.T))[:40])
    far = [index for index in range(len(NAMES)) if index not in nearest][:3]

    found = imagined([NAMES[0]] * 2000, OPEN, common=far)

    names = {name for words in found for name in named(words)}
    assert names == {NAMES[index] for index in {0, *nearest, *far}}


def test_names_are_as_often_right_and_as_often_sure_as_those_of_a_small_tower() -> None:
    things = NAMES * 50
    found = imagined(things, OPEN)

    doubtful = [(thing, words) for thing, words in zip(things, found, strict=True) if words.startswith("perhaps ")]
    sure = [(thing, words) for thing, words in zip(things, found, strict=True) if not words.startswith("perhaps ")]
    right = [(thing, words) for thing, words in doubtful if thing in named(words)]
    assert 0.37 < len(sure) / len(found) < 0.43
    assert 0.81 < np.mean([thing == words for thing, words in sure]) < 0.89
    assert 0.03 < np.mean([words == UNKNOWN for _, words in sure]) < 0.07
    assert 0.58 < len(right) / len(doubtful) < 0.68  # a mistake may happen to be right
    assert 0.52 < np.mean([named(words)[0] == thing for thing, words in right]) < 0.63


def test_the_same_seed_imagines_the_same() -> None:
    assert imagined(NAMES, OPEN) == imagined(NAMES, OPEN)
    assert imagined(NAMES, OPEN) != imagined(NAMES, OPEN, seed=1)


@pytest.mark.parametrize(
    ("label", "name"),
    [("a bottle", "bottle"), ("an ant", "ant"), ("crab emoji", "crab"), ("face, fear", "face fear"), ("the ", "sign")],
)
def test_a_bare_name_has_no_article_and_does_not_say_how_it_is_drawn(label: str, name: str) -> None:
    assert bare_name(label) == name

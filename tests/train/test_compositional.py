"""Squares of pairs: neither half of a pair gives its label away."""

from collections import Counter
from functools import cache
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest

from guard.train.compositional import is_open, make_meetings, make_squares
from guard.train.images import Picture
from guard.train.own_data import Act, own_acts
from guard.train.rows import share

LABELS = {"beer": "alcohol", "wine": "alcohol", "bread": "food", "apple": "food", "rifle": "firearm"}


def pictures(copies: int = 60) -> list[Picture]:
    return [
        Picture(Path(f"{label}{i}"), f"a photo of a {label}", label, "s", hazard, f"{label}{i}", "photo")
        for label, hazard in LABELS.items()
        for i in range(copies)
    ]


def act(name: str, unsafe: set[str], safe: set[str]) -> Act:
    return Act(name, (f"{name} one", f"{name} two"), frozenset(unsafe), frozenset(safe), "crime")


# Names chosen so that some lie on each side of the split.
ACTS = [act(f"drive{i}", {"hazard:alcohol"}, {"hazard:food"}) for i in range(12)] + [
    act(f"ducks{i}", {"label:bread"}, {"hazard:alcohol", "label:apple"}) for i in range(12)
]


def test_every_text_and_every_picture_stands_on_both_sides_equally_often() -> None:
    squares = make_squares(ACTS, pictures(), 300, texts="train", classes="train", seed=0)
    pairs = [pair for square in squares for pair in square.pairs()]
    unsafe, safe = ([pair for pair in pairs if (pair.category is None) is side] for side in (False, True))

    assert len(pairs) == 1200
    assert Counter(pair.text for pair in unsafe) == Counter(pair.text for pair in safe)
    assert Counter(pair.picture for pair in unsafe) == Counter(pair.picture for pair in safe)


def test_every_two_acts_that_disagree_in_opposite_ways_take_turns() -> None:
    names = ("beer", "bread", "rifle", "apple")
    topics = [f"label:{name}" for name in names]
    acts = [
        act(
            f"{number}",
            {t for t, said in zip(topics, sides, strict=True) if said > 0},
            {"label:none"} | {t for t, said in zip(topics, sides, strict=True) if said < 0},
        )
        for number, sides in enumerate(product((-1, 0, 1), repeat=4))
    ]
    shown = [picture for picture in pictures() if picture.label in names]

    kinds = {(picture.label, picture.hazard) for picture in shown if is_open(picture.label)}

    @cache
    def parting(first: Act, second: Act) -> set[str]:
        said = [(k[0], first.verdict(label=k[0], hazard=k[1]), second.verdict(label=k[0], hazard=k[1])) for k in kinds]
        return {label for label, one, other in said if one is True and other is False}

    squares = make_squares(acts, shown, 20_000, texts="train", classes="train", seed=0)
    by_id = {one.id: one for one in acts}
    found = {square.acts for square in squares}
    turns = Counter(square.acts for square in squares).values()
    trained = [one for one in acts if share("guard-act-1", one.id) >= 0.2]
    expected = {
        (one.id, other.id) for one, other in combinations(trained, 2) if parting(one, other) and parting(other, one)
    }
    assert len(expected) > 100
    assert found == expected
    assert max(turns) - min(turns) <= 1
    for square in squares:
        first, second = (by_id[name] for name in square.acts)
        seen = [shown[number].label for number in square.pictures]
        assert seen[0] in parting(first, second)
        assert seen[1] in parting(second, first)


def test_labels_are_what_the_acts_say() -> None:
    shown = pictures()
    acts = {wording: act for act in ACTS for wording in act.wordings}

    for square in make_squares(ACTS, shown, 100, texts="train", classes="train", seed=0):
        for pair in square.pairs():
            picture = shown[pair.picture]
            verdict = acts[pair.text].verdict(label=picture.label, hazard=picture.hazard)
            assert verdict is (pair.category is not None)
            assert pair.text in {act.id: act for act in ACTS}[pair.act].wordings


def test_held_out_acts_and_labels_never_train() -> None:
    shown = pictures()

    def used(side: str) -> tuple[set[str], set[str]]:
        squares = make_squares(ACTS, shown, 400, texts=side, classes="train", seed=0)  # type: ignore[arg-type]
        return {name for square in squares for name in square.acts}, {
            shown[p].label for s in squares for p in s.pictures
        }

    trained, held = used("train"), used("held_out")

    assert trained[0]
    assert held[0]
    assert not trained[0] & held[0]


def with_things(name: str) -> Act:
    unsafe, safe = {"hazard:alcohol", "thing:a keg"}, {"label:bread", "thing:a rice cake", "thing:some wild honey"}
    return act(name, unsafe, safe)


def test_every_wording_meets_as_many_things_on_either_side() -> None:
    acts = [with_things(f"act{i}") for i in range(20)]

    meetings = make_meetings(acts, pictures(2), 3, seed=0)

    sides = Counter((meeting.text, meeting.category is not None) for meeting in meetings)
    assert set(sides.values()) == {3}
    assert {meeting.text for meeting in meetings} == {text for text, _ in sides}
    assert {(meeting.text, True) for meeting in meetings} <= set(sides)
    assert {(meeting.text, False) for meeting in meetings} <= set(sides)


def test_meetings_say_what_their_act_says_of_the_thing() -> None:
    acts = {act.id: act for act in (with_things(f"act{i}") for i in range(20))}

    for meeting in make_meetings(list(acts.values()), pictures(2), 3, seed=0):
        speaker, unsafe = acts[meeting.act], meeting.category is not None
        hazard = LABELS.get(meeting.thing)
        said = (
            meeting.thing in speaker.things(unsafe=unsafe)
            if hazard is None
            else speaker.verdict(label=meeting.thing, hazard=hazard) is unsafe
        )
        assert said


def test_what_is_harmful_in_one_act_and_not_in_another_is_met_as_often_on_either_side() -> None:
    names = [f"thing:knife {i}" for i in range(6)]
    here = [act(f"a{i}", {*names, "thing:only here"}, {"thing:bread"}) for i in range(20)]
    there = [act(f"b{i}", {"thing:venom"}, {*names, "thing:only there"}) for i in range(20)]
    acts = [speaker for both in zip(here, there, strict=True) for speaker in both]

    met = Counter(
        (meeting.thing, meeting.category is not None) for meeting in make_meetings(acts, pictures(2), 14, seed=0)
    )

    for name in names:
        thing = name.removeprefix("thing:")
        assert met[thing, True] == pytest.approx(met[thing, False], rel=0.2)
    assert met["only here", True] < met["knife 0", True]


def test_meetings_never_hold_a_label_held_out_nor_a_thing_named_like_one() -> None:
    names = [f"thing{i}" for i in range(40)]
    held = [name for name in names if not is_open(name)]
    shown = [Picture(Path(name), f"a photo of a {name}", name, "s", "food", name, "photo") for name in names]
    safe = {"hazard:food", *(f"thing:a big {name}" for name in names)}

    meetings = make_meetings([act(f"a{i}", {"thing:a keg"}, safe) for i in range(20)], shown, 30, seed=0)

    met = {word for meeting in meetings for word in meeting.thing.split()}
    assert len(held) >= 3
    assert met & set(held) == set()
    assert met >= set(names) - set(held)


def test_acts_held_out_or_left_without_a_side_meet_nothing() -> None:
    (hidden,) = {next(label for label in map(str, range(99)) if not is_open(label))}
    shown = [Picture(Path("x"), f"a photo of a {hidden}", hidden, "s", "food", "g", "photo")]
    one_sided = [act(f"a{i}", {"thing:a keg"}, {f"label:{hidden}"}) for i in range(20)]
    both = [with_things(f"act{i}") for i in range(60)]

    assert make_meetings(one_sided, shown, 3, seed=0) == []
    assert 0 < len({meeting.act for meeting in make_meetings(both, pictures(2), 1, seed=0)}) < 60


def test_acts_that_never_disagree_both_ways_give_no_squares() -> None:
    same = [act("a", {"hazard:alcohol"}, {"hazard:food"}), act("b", {"hazard:alcohol"}, {"hazard:food"})]

    assert make_squares(same, pictures(), 10, texts="train", classes="train", seed=0) == []


def test_a_label_counts_before_its_hazard() -> None:
    careful = act("x", {"hazard:food"}, {"label:apple"})

    assert careful.verdict(label="apple", hazard="food") is False
    assert careful.verdict(label="bread", hazard="food") is True
    assert careful.verdict(label="rifle", hazard="firearm") is None


def test_the_shipped_acts_can_be_read_and_contradict_nobody() -> None:
    acts = own_acts()

    assert len(acts) > 100
    assert len({act.id for act in acts}) == len(acts)
    assert not any(act.unsafe_with & act.safe_with for act in acts)
    assert np.median([len(act.wordings) for act in acts]) >= 2

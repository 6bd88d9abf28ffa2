"""Pairs of which neither half gives the label away: every text and every picture stands on both sides equally often.

They come in squares. Two acts that disagree about two kinds of things, in opposite ways, and one picture of each kind:

                   a bottle of beer     a loaf of bread
    "drink up and drive"    unsafe           safe            (act a)
    "feed it to the ducks"  safe             unsafe          (act b)

A judge that sees the text alone, or the picture alone, is at chance on every square by construction. Beside squares
stand meetings: each wording of an act with as many things on which it is harmful as on which it is not, with pictures
of the pack or in words alone.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeVar

import numpy as np

from guard.train.images import PHOTO_KINDS, Picture
from guard.train.own_data import Act
from guard.train.rows import share

Side = Literal["train", "held_out"]
_T = TypeVar("_T")

_HELD_OUT_SHARE = 0.2
_DRAWN_THINGS = 4
_PACK_SHARE = 0.5  # of meetings with things that the pack has pictures of, where an act has both
# Icons and emoji carry loose topics, made from keywords.
_KINDS = (*PHOTO_KINDS, "painting", "cartoon", "sketch")
# They stand in where the pack has (almost) no photographs.
_DRAWN_HAZARDS = ("poison_toxic", "explosive", "tobacco", "blood_injury")


@dataclass(frozen=True, slots=True)
class Square:
    """Four pairs: texts[0] is unsafe with pictures[0] and safe with pictures[1], texts[1] the other way round."""

    texts: tuple[str, str]
    pictures: tuple[int, int]  # positions in the list of pictures
    categories: tuple[str, str]  # of texts[0] with pictures[0], and of texts[1] with pictures[1]
    acts: tuple[str, str]

    def pairs(self) -> tuple["SquarePair", ...]:
        """Return the four pairs."""
        (a, b), (x, y) = self.texts, self.pictures
        first, second = self.acts
        return (
            SquarePair(a, x, self.categories[0], first),
            SquarePair(a, y, None, first),
            SquarePair(b, x, None, second),
            SquarePair(b, y, self.categories[1], second),
        )


class SquarePair(NamedTuple):
    """One pair of a square: what act `act` says, beside a picture; `category` of the harm, None when safe."""

    text: str
    picture: int
    category: str | None
    act: str


def make_squares(
    acts: Sequence[Act], pictures: Sequence[Picture], count: int, *, texts: Side, classes: Side, seed: int
) -> list[Square]:
    """Return up to `count` squares; fewer, or none, where no two acts disagree in opposite ways.

    Args:
        acts: what is said, with the topics on which it is unsafe and harmless.
        pictures: what may be shown. Photographs and paintings are, icons only for hazards that have no photographs.
        count: how many; act pairs take turns, then the topics of each.
        texts: whether acts of the training or of the held-out side speak.
        classes: the same for picture labels. Held-out classes show held-out pictures.
        seed: of every draw.
    """
    random = np.random.default_rng(seed)
    speaking = [act for act in acts if _side("act", act.id) == texts]
    shown = _by_label(pictures, classes)
    opposed = _Opposed(speaking, list(shown))
    if not len(opposed):
        return []
    squares = []
    for number in range(count):
        a, b, only_a, only_b = opposed[number % len(opposed)]
        kinds = _pick_topic(only_a, random), _pick_topic(only_b, random)
        squares.append(
            Square(
                texts=(_pick(a.wordings, random), _pick(b.wordings, random)),
                pictures=(_pick(shown[kinds[0]], random), _pick(shown[kinds[1]], random)),
                categories=(a.category, b.category),
                acts=(a.id, b.id),
            )
        )
    return squares


@dataclass(frozen=True, slots=True)
class Meeting:
    """What an act says beside a thing in words; `category` of the harm, None when safe."""

    text: str
    thing: str
    category: str | None
    act: str


def make_meetings(acts: Sequence[Act], pictures: Sequence[Picture], each: int, *, seed: int) -> list[Meeting]:
    """Return meetings of the training side: every wording `each` times on either side, with things by name.

    A thing that is named like a label held out is left out, and so is an act that lost all things of a side. Of a few
    things drawn for a meeting, the one that has been met least on this side rather than the other comes: what is always
    harmful tells nothing about what is said.
    """
    random = np.random.default_rng([seed, 5])
    kinds = sorted({(picture.label, picture.hazard) for picture in pictures if picture.label})
    labels = [kind for kind in kinds if is_open(kind[0])]
    held = [set(label.lower().split()) for label, _ in kinds if not is_open(label)]
    found = []
    leaning: Counter[str] = Counter()  # by thing: meetings in which it is harmful less those in which it is not
    for act in acts:
        if _side("act", act.id) != "train":
            continue
        sides = {}
        for unsafe in (True, False):
            shown = [kind for kind in labels if act.verdict(label=kind[0], hazard=kind[1]) is unsafe]
            by_hazard: dict[str, list[str]] = defaultdict(list)
            for label, hazard in shown:
                by_hazard[hazard].append(label)
            things = [t for t in act.things(unsafe=unsafe) if not any(h <= set(t.lower().split()) for h in held)]
            sides[unsafe] = things, dict(by_hazard)
        if not all(things or hazards for things, hazards in sides.values()):
            continue
        for wording in act.wordings:
            for unsafe, (things, by_hazard) in sides.items():
                lean = 1 if unsafe else -1
                for _ in range(each):
                    drawn = [_pick_thing(things, by_hazard, random) for _ in range(_DRAWN_THINGS)]
                    thing = min(drawn, key=lambda thing: lean * leaning[thing])
                    leaning[thing] += lean
                    found.append(Meeting(wording, thing, act.category if unsafe else None, act.id))
    return found


def is_open(label: str) -> bool:
    """True for labels whose pictures may meet texts in training."""
    return _side("class", label) == "train"


def _pick_thing(things: Sequence[str], by_hazard: Mapping[str, Sequence[str]], random: np.random.Generator) -> str:
    if by_hazard and (not things or random.random() < _PACK_SHARE):
        return _pick(by_hazard[_pick(sorted(by_hazard), random)], random)
    return _pick(things, random)


Kind = tuple[str, str]  # label, hazard


def _side(key: str, name: str) -> Side:
    return "held_out" if share(f"guard-{key}-1", name) < _HELD_OUT_SHARE else "train"


def _by_label(pictures: Sequence[Picture], side: Side) -> dict[Kind, list[int]]:
    found: dict[Kind, list[int]] = defaultdict(list)
    for index, picture in enumerate(pictures):
        usable = picture.kind in _KINDS or picture.hazard in _DRAWN_HAZARDS
        if usable and _side("class", picture.label) == side and picture.is_held_out == (side == "held_out"):
            found[picture.label, picture.hazard].append(index)
    return dict(found)


class _Opposed:
    """Pairs of acts that disagree on two kinds in opposite ways; `len` of these pairs.

    Verdicts stand in matrices of acts by kinds: the pairs are a million, and which kinds part two acts is asked of few.
    """

    def __init__(self, acts: Sequence[Act], kinds: Sequence[Kind]) -> None:
        self._acts, self._kinds = acts, kinds
        verdicts = [[act.verdict(label=label, hazard=hazard) for label, hazard in kinds] for act in acts]
        shape = (len(acts), len(kinds))
        self._unsafe = np.array([[said is True for said in row] for row in verdicts], bool).reshape(shape)
        self._safe = np.array([[said is False for said in row] for row in verdicts], bool).reshape(shape)
        # How many kinds are unsafe with one act and safe with the other; counts are exact in float32.
        only = self._unsafe.astype(np.float32) @ self._safe.astype(np.float32).T
        self._pairs = np.argwhere(np.triu((only > 0) & (only.T > 0), 1))

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, number: int) -> tuple[Act, Act, dict[str, list[Kind]], dict[str, list[Kind]]]:
        """Return two acts with the kinds on which only the first, and only the second, is unsafe; each by hazard."""
        a, b = self._pairs[number].tolist()
        return self._acts[a], self._acts[b], self._parting(a, b), self._parting(b, a)

    def _parting(self, unsafe: int, safe: int) -> dict[str, list[Kind]]:
        found: dict[str, list[Kind]] = defaultdict(list)
        for index in np.flatnonzero(self._unsafe[unsafe] & self._safe[safe]).tolist():
            kind = self._kinds[index]
            found[kind[1]].append(kind)
        return dict(found)


def _pick_topic(by_hazard: Mapping[str, Sequence[Kind]], random: np.random.Generator) -> Kind:
    return _pick(by_hazard[_pick(sorted(by_hazard), random)], random)


def _pick(options: Sequence[_T], random: np.random.Generator) -> _T:
    return options[int(random.integers(len(options)))]

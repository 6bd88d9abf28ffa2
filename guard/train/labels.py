"""The names that a picture can get, where the frozen text encoder puts them, and how a thing might be named."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from guard.core.naming import MOST_NAMES, UNKNOWN, perhaps
from guard.train.backbone import Backbone
from guard.train.checkpoint import load_json, save_arrays, save_json
from guard.train.images import Picture
from guard.train.loop import autocast
from guard.train.text_tower import TextTower, embed
from guard.train.tokens import encode

# A little better than the shipped tower names photographs held out (sure of 0.34, of these right in 0.77; of the rest
# 0.47 hold the right name among those in doubt, 0.57 of these at their head): shares of things named for sure, of these
# named rightly and not named at all; of lists of doubt that hold the right name, of these that begin with it; of wrong
# names that are neighbours in meaning rather than anything.
_SURE, _SURE_RIGHT, _BLANK = 0.4, 0.85, 0.05
_RIGHT, _RIGHT_FIRST, _NEAR_SHARE = 0.62, 0.57, 0.5
_NEAR = 40
_DRAWN_KINDS = (" emoji", " icon")
_ARTICLES = ("a ", "an ", "the ", "some ")


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Distinct label texts, sorted, the label that each was first seen with, and their embeddings (n, width)."""

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    anchors: NDArray[np.float32]

    @property
    def names(self) -> tuple[str, ...]:
        """The bare name of each: what stands before a prompt. An emoji of a crocodile is a crocodile."""
        return tuple(bare_name(label) for label in self.labels)


def label_texts(pictures: Sequence[Picture]) -> dict[str, str]:
    """Return each distinct label text of `pictures`, sorted, with the label that it was first seen with."""
    found: dict[str, str] = {}
    for picture in pictures:
        if picture.text:
            found.setdefault(picture.text, picture.label)
    return dict(sorted(found.items()))


def read_labels(backbone: Backbone, pictures: Sequence[Picture]) -> Labels:
    """Return the labels of `pictures`, embedded by the frozen encoder."""
    found = label_texts(pictures)
    texts, labels = tuple(found), tuple(found.values())
    return Labels(texts, labels, label_embeddings(backbone, texts, labels))


def label_embeddings(backbone: Backbone, texts: Sequence[str], labels: Sequence[str]) -> NDArray[np.float32]:
    """Return where the frozen encoder puts labels, float32 (n, width), length 1: between the sentence and the name."""
    halves = [phrase_embeddings(backbone, part) for part in (texts, labels)]
    return _unit(halves[0] + halves[1])


def phrase_embeddings(backbone: Backbone, phrases: Sequence[str]) -> NDArray[np.float32]:
    """Return where the frozen encoder puts phrases, float32 (n, width), length 1."""
    tower = TextTower(backbone.encoder).eval()
    with autocast("cpu"):
        return _unit(embed(tower, encode(backbone.tokenizer, list(phrases), [""] * len(phrases))))


def bare_name(label: str) -> str:
    """Return the name of a label or of a thing: without how it is drawn, without article."""
    for ending in _DRAWN_KINDS:
        label = label.removesuffix(ending)
    for article in _ARTICLES:
        label = label.removeprefix(article)
    return label.replace(",", "").strip() or "sign"


def imagined_names(
    labels: Labels,
    things: Sequence[str],
    places: NDArray[np.float32],
    hidden: NDArray[np.bool_],
    common: NDArray[np.int64],
    random: np.random.Generator,
) -> list[str]:
    """Return how pictures of things might be named, with the doubts and mistakes of a small vision tower.

    Args:
        labels: the names that there are.
        things: what is shown, in words.
        places: their embeddings, (len(things), width), length 1.
        hidden: (labels,), True for names that must not occur as a mistake.
        common: positions of the labels that are taken for something else most often.
        random: of the mistakes.
    """
    names = labels.names
    n_near = min(_NEAR, len(names) - 1)
    _, first, of = np.unique(np.array(things), return_index=True, return_inverse=True)
    near = np.argpartition(-(places[first] @ labels.anchors.T) + 4 * hidden, n_near, axis=1)[of, : max(1, n_near)]
    common = common[~hidden[common]]
    found = []
    for thing, neighbours in zip(things, near, strict=True):
        right, is_sure = bare_name(thing), random.random() < _SURE
        others = [
            names[random.choice(neighbours if random.random() < _NEAR_SHARE else common)]
            for _ in range(1 if is_sure else int(random.integers(1, MOST_NAMES)))
        ]
        if is_sure:
            luck = random.random()
            found.append(right if luck < _SURE_RIGHT else UNKNOWN if luck < _SURE_RIGHT + _BLANK else others[0])
            continue
        if random.random() < _RIGHT:
            at = 0 if random.random() < _RIGHT_FIRST else int(random.integers(1, len(others) + 1))
            others.insert(at, right)
        found.append(perhaps(list(dict.fromkeys(others))))
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Naming:
    """How a finished tower names: `labels`, and the factor on cosines before the softmax."""

    labels: Labels
    sharpness: float


def save_labels(folder: Path, labels: Labels, sharpness: float) -> None:
    """Write what naming needs beside the tower's weights."""
    save_arrays(folder / "anchors.npz", {"anchors": labels.anchors})
    save_json(folder / "labels.json", {"texts": labels.texts, "labels": labels.labels, "sharpness": sharpness})


def load_labels(folder: Path) -> Naming:
    """Return what `save_labels` wrote. Raises UsageError where there is nothing."""
    saved = load_json(folder / "labels.json")
    with np.load(folder / "anchors.npz") as arrays:
        labels = Labels(tuple(saved["texts"]), tuple(saved["labels"]), arrays["anchors"])
    return Naming(labels, float(saved["sharpness"]))


def _unit(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(values / np.linalg.norm(values, axis=1, keepdims=True), np.float32)

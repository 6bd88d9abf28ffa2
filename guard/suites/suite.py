"""What a suite is: labelled pairs with groups, and the digest that names exactly this data."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal

import orjson

from guard.suites.pictures import Picture
from guard.suites.traffic import RecordedTraffic
from guard.types import ImageInput, Pair

SuiteKind = Literal["mmsafeaware", "pack", "jsonl"]


class Label(StrEnum):
    """What a pair is, by whoever labelled it."""

    SAFE = "safe"
    UNSAFE = "unsafe"


@dataclass(frozen=True, slots=True)
class LabelledPair:
    """A pair with its label, and the group that it must never be separated from.

    `group` joins pairs that are not independent (same picture, same request in other words); it is the unit of every
    split, bound and bootstrap. `question` is the whole text that an MLLM is asked, where it differs from `text`.
    """

    id: str
    text: str
    pictures: tuple[Picture, ...]
    label: Label
    group: str
    split: str
    scenario: str | None = None
    attack: str | None = None
    source: str | None = None
    question: str | None = None
    sampling_probability: float = 1.0  # in (0, 1]: with what probability the pair was drawn from its traffic

    @property
    def is_unsafe(self) -> bool:
        """Whether the pair should be blocked."""
        return self.label is Label.UNSAFE

    def to_pair(self) -> Pair:
        """Return what Guard judges, with the pictures read. Raises OSError when a picture's file is gone."""
        return Pair(text=self.text, images=tuple(ImageInput(data=picture.read()) for picture in self.pictures))


@dataclass(frozen=True, slots=True)
class Suite:
    """Labelled pairs from one place. Pairs whose picture is missing are named in `missing_pictures`, not in `pairs`."""

    name: str
    path: Path
    kind: SuiteKind
    digest: str  # SHA-256 over ids, texts, labels, groups, splits and picture digests; see `digest_pairs`
    pairs: tuple[LabelledPair, ...]
    missing_pictures: tuple[str, ...] = ()  # ids, in file order
    traffic: RecordedTraffic | None = None  # what the pairs were drawn from; see `guard.suites.traffic.with_traffic`


def digest_pairs(pairs: Iterable[LabelledPair]) -> str:
    """Return the SHA-256 of everything in the pairs that a result depends on.

    Where the files lie and in which order the pairs stand does not count.
    """
    digest = hashlib.sha256()
    for pair in sorted(pairs, key=lambda pair: pair.id):
        row = [
            pair.id,
            pair.text,
            [picture.sha256 for picture in pair.pictures],
            pair.label.value,
            pair.group,
            pair.split,
            pair.scenario,
            pair.attack,
            pair.question,
            pair.sampling_probability,
        ]
        digest.update(orjson.dumps(row) + b"\n")
    return digest.hexdigest()

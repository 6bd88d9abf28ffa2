"""The project's own prompts and acts, shipped in `guard/train/own`. The README beside this file tells the format."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from guard.core.text import normalise
from guard.train.rows import TextRow

_EVERYDAY_KINDS = ("everyday", "picture_question")
_ADVERSARIAL = "hard_"


@dataclass(frozen=True, slots=True)
class Act:
    """Something to do with what a picture shows: harmful with some things and harmless with others, by topic.

    A topic is "hazard:NAME" or "label:NAME" of the image pack, where a label counts before its hazard, or "thing:WORDS"
    of something that the pack has no pictures of.
    """

    id: str
    wordings: tuple[str, ...]
    unsafe_with: frozenset[str]
    safe_with: frozenset[str]
    category: str

    def verdict(self, *, label: str, hazard: str) -> bool | None:
        """Return whether the act is unsafe with a picture of that label and hazard; None where nothing is said."""
        for topic in (f"label:{label}", f"hazard:{hazard}"):
            if topic in self.unsafe_with:
                return True
            if topic in self.safe_with:
                return False
        return None

    def things(self, *, unsafe: bool) -> tuple[str, ...]:
        """Return the things without pictures on one side, sorted, in words: "a sand castle"."""
        topics = self.unsafe_with if unsafe else self.safe_with
        return tuple(sorted(topic.removeprefix("thing:") for topic in topics if topic.startswith("thing:")))


@dataclass(frozen=True, slots=True)
class HandPair:
    """A pair of the hand-made test: a text beside a picture of `shows`, a label of the image pack. Never trained on."""

    id: str
    group: str
    text: str
    unsafe: bool
    shows: str
    scenario: str | None


def own_rows() -> list[TextRow]:
    """Return the project's own prompts as rows; the group is their set of contrasting partners."""
    return [
        TextRow(
            id=f"own:{record['id']}",
            source=f"own:{record['kind']}",
            group=f"own:{record['set']}",
            text=normalise(record["text"]),
            unsafe=record["label"] == "unsafe",
            scenario=record["category"],
            attack=record["attack"],
            everyday=record["kind"] in _EVERYDAY_KINDS,
            adversarial=file.startswith(_ADVERSARIAL),
            picture_question=record["kind"] == "picture_question",
            language=record["language"],
        )
        for file, record in _named_records("prompts")
    ]


def own_acts() -> tuple[Act, ...]:
    """Return the project's own acts."""
    return tuple(
        Act(
            id=record["id"],
            wordings=tuple(normalise(text) for text in record["wordings"]),
            unsafe_with=frozenset(record["unsafe_with"]),
            safe_with=frozenset(record["safe_with"]),
            category=record["category"],
        )
        for record in _records("acts")
    )


def hand_pairs() -> tuple[HandPair, ...]:
    """Return the hand-made test of pairs over pictures of held-out things."""
    return tuple(
        HandPair(
            id=f"own:{record['id']}",
            group=f"own:{record['set']}",
            text=normalise(record["text"]),
            unsafe=record["label"] == "unsafe",
            shows=record["shows"],
            scenario=record["category"],
        )
        for record in _records("pairs")
    )


def dropped_wordings() -> frozenset[str]:
    """Return the digests of wordings that training leaves out, whatever pack they are in."""
    lines = (files("guard.train.own") / "dropped.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(line.strip() for line in lines if line.strip() and not line.startswith("#"))


def own_digests() -> dict[str, str]:
    """Return the SHA-256 of each of the project's own files of texts, by folder and name."""
    return {
        f"{folder}/{path.name}": hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in ("acts", "glossary", "pairs", "prompts")
        for path in _files(folder)
    }


def _records(folder: str) -> list[Mapping[str, Any]]:
    return [record for _, record in _named_records(folder)]


def _named_records(folder: str) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the records of a folder, each with the name of its file."""
    lines = [(path.name, line) for path in _files(folder) for line in path.read_text(encoding="utf-8").split("\n")]
    return [(name, json.loads(line)) for name, line in lines if line.strip()]


def _files(folder: str) -> list[Traversable]:
    found = (
        path for path in (files("guard.train.own") / folder).iterdir() if path.name.endswith((".jsonl", ".tsv", ".txt"))
    )
    return sorted(found, key=lambda path: path.name)

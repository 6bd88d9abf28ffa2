"""The project's own prompts and acts, shipped in `guard/train/own`. The README beside this file tells the format."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from guard.core.text import normalise
from guard.train.rows import TextRow

_EVERYDAY_KINDS = ("everyday", "picture_question")


@dataclass(frozen=True, slots=True)
class Act:
    """Something to do with what a picture shows: harmful with some things and harmless with others, by topic.

    A topic is "hazard:NAME" or "label:NAME" of the image pack; a label counts before its hazard.
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
            picture_question=record["kind"] == "picture_question",
        )
        for record in _records("prompts.jsonl")
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
        for record in _records("acts.jsonl")
    )


def own_digests() -> dict[str, str]:
    """Return the SHA-256 of each of the project's own files of texts."""
    folder = files("guard.train.own")
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("prompts.jsonl", "acts.jsonl")}


def _records(name: str) -> list[Mapping[str, Any]]:
    text = (files("guard.train.own") / name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.split("\n") if line.strip()]

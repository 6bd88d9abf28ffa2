"""Reasoning traces: what a picture shows, what is asked beside it, how to think about both, and the answer.

A JSONL file, one trace a line, with four texts: `picture` (a path, seen from the file's folder), `prompt` (what a model
is asked, to the letter), `reasoning` and `answer`. Other keys are for people and are not read.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from guard.errors import ImageRejected, UsageError
from guard.mllm.preparing import read_pictures

_KEYS = ("picture", "prompt", "reasoning", "answer")
# Models that think aloud are read behind this: by the benchmark's strict rule, and where P(unsafe) is taken.
_THOUGHT = "<think>{reasoning}</think>\n{answer}"


@dataclass(frozen=True, slots=True)
class Trace:
    """One trace, and where it stands in its file."""

    place: str  # file and line, for messages
    picture: Path
    prompt: str
    reasoning: str
    answer: str

    def written(self, *, with_reasoning: bool) -> str:
        """Return what a model is to write."""
        if not with_reasoning:
            return self.answer
        return _THOUGHT.replace("{reasoning}", self.reasoning).replace("{answer}", self.answer)


@dataclass(frozen=True, slots=True)
class Traces:
    """The traces of a file; `digest` is the SHA-256 of their texts and of the pictures' bytes."""

    path: Path
    rows: Sequence[Trace]
    digest: str


def read_traces(path: Path) -> Traces:
    """Return the traces of a file, in its order. Every picture is decoded once: hours later is too late to find out.

    Raises:
        UsageError: it cannot be read, a line is no trace, or a picture is missing or broken. The line is named.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not readable as JSONL ({type(error).__name__})") from error
    rows = [_trace(path, number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    if not rows:
        raise UsageError(f"{path}: no traces in there")
    digest = hashlib.sha256()
    pictures: dict[Path, bytes] = {}  # a picture is often met by several prompts
    for row in rows:
        if row.picture not in pictures:
            pictures[row.picture] = _picture_digest(row)
        digest.update(json.dumps([row.prompt, row.reasoning, row.answer]).encode() + pictures[row.picture])
    return Traces(path, rows, digest.hexdigest())


def _trace(path: Path, number: int, line: str) -> Trace:
    place = f"{path} line {number}"
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{place}: not JSON") from error
    if not isinstance(record, dict):
        raise UsageError(f"{place}: not a JSON object")
    for key in _KEYS:
        value = record.get(key)
        if not isinstance(value, str) or not value.strip():
            raise UsageError(f"{place}: no text under {key!r}")
    if "</think>" in record["reasoning"]:
        raise UsageError(f"{place}: the reasoning holds </think>, which is put behind it")
    return Trace(place, path.parent / record["picture"], record["prompt"], record["reasoning"], record["answer"])


def _picture_digest(row: Trace) -> bytes:
    place = f"{row.place}: picture {row.picture}"
    try:
        data = row.picture.read_bytes()
        read_pictures([data])
    except (OSError, ValueError) as error:  # ValueError: a path with a null byte
        raise UsageError(f"{place}: {getattr(error, 'strerror', None) or 'no such file'}") from error
    except ImageRejected as error:
        raise UsageError(f"{place}: cannot be decoded") from error
    return hashlib.sha256(data).digest()

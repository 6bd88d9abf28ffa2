"""Labelled pairs as JSON lines: a single file, or a pack (records.jsonl with pictures beside it).

One object a line: `{"id", "text", "image": path | null or "images": [path], "label": "unsafe" | "safe", "group",
"category", "source", "split", "sampling_probability"}`. Paths are relative to the file. `id` and `label` are required,
and a text or a picture. Other keys are ignored; no key may occur twice.

Rows with the same `group` or the same picture are in one group, and so are rows linked through others: a declared group
may grow, never split. Rows that declare none are joined by the same wording too, whatever its case, blanks, punctuation
and disguises. A row with a picture that is not there is left out and named; a row that never had one is a text row.
"""

import json
from codecs import BOM_UTF8
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import orjson
from pydantic import BaseModel, Field, ValidationError, model_validator

from guard.bundle import digest_file
from guard.errors import SuiteInvalid
from guard.suites.groups import connected
from guard.suites.pictures import StoredPicture
from guard.suites.suite import Label, LabelledPair, Suite, SuiteKind, digest_pairs
from guard.suites.wording import wording


def load_pack(folder: Path) -> Suite:
    """Return the pack in a folder. Raises SuiteInvalid with file and line."""
    return _load(folder / "records.jsonl", name=folder.resolve().name, path=folder, kind="pack")


def load_jsonl(file: Path) -> Suite:
    """Return the pairs in a JSONL file. Raises SuiteInvalid with file and line."""
    return _load(file, name=file.stem, path=file, kind="jsonl")


class _Record(BaseModel, frozen=True):
    id: Annotated[str, Field(min_length=1)]
    text: str | None = None
    image: str | None = None
    images: tuple[str, ...] = ()
    label: Label
    group: str | None = None
    category: str | None = None
    source: str | None = None
    split: str | None = None
    sampling_probability: Annotated[float, Field(gt=0, le=1)] = 1.0

    @model_validator(mode="after")
    def _has_content(self) -> "_Record":
        if self.image is not None and self.images:
            raise ValueError("has both image and images")
        if not self.text and not self.paths:
            raise ValueError("has neither text nor picture")
        return self

    @property
    def paths(self) -> tuple[str, ...]:
        return self.images if self.image is None else (self.image,)


@dataclass(frozen=True, slots=True)
class _Row:
    pair: LabelledPair
    declared: str | None


def _load(file: Path, *, name: str, path: Path, kind: SuiteKind) -> Suite:
    rows: list[_Row] = []
    missing: list[str] = []
    seen: set[str] = set()
    for place, record in _read(file):
        if record.id in seen:
            raise SuiteInvalid(f"{place}: id {record.id!r} occurs twice")
        seen.add(record.id)
        pictures = [_picture(file.parent / relative, place) for relative in record.paths]
        present = tuple(picture for picture in pictures if picture is not None)
        if len(present) < len(pictures):
            missing.append(record.id)
            continue
        rows.append(_Row(_pair(record, present), record.group))
    if not rows:
        raise SuiteInvalid(f"{file}: no usable rows{f' ({len(missing)} with missing pictures)' if missing else ''}")
    pairs = _grouped(rows)
    return Suite(name, path, kind, digest_pairs(pairs), pairs, tuple(missing))


def _read(file: Path) -> Iterator[tuple[str, _Record]]:
    try:
        lines = file.read_bytes().removeprefix(BOM_UTF8).split(b"\n")
    except OSError as error:
        raise SuiteInvalid(f"{file}: {error.strerror}") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        place = f"{file}:{number}"
        try:
            yield place, _Record.model_validate(orjson.loads(line))
            json.loads(line, object_pairs_hook=_without_duplicates)
        except _KeyTwice as error:
            raise SuiteInvalid(f"{place}: the key {error.key!r} occurs twice") from error
        except orjson.JSONDecodeError as error:
            raise SuiteInvalid(f"{place}: not JSON: {error.msg} at column {error.colno}") from error
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            key = ".".join(str(part) for part in first["loc"]) or "row"
            raise SuiteInvalid(f"{place}: {key}: {first['msg']}") from error


class _KeyTwice(Exception):
    """An object with a key that stands in it twice: which of the two is meant, its author alone knows."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise _KeyTwice(key[:40])
        found[key] = value
    return found


def _picture(path: Path, place: str) -> StoredPicture | None:
    """Return the picture at a path; None where there is none."""
    try:
        return StoredPicture(path, digest_file(path).sha256) if path.is_file() else None
    except OSError as error:
        raise SuiteInvalid(f"{place}: image: {error.strerror}") from error


def _pair(record: _Record, pictures: tuple[StoredPicture, ...]) -> LabelledPair:
    return LabelledPair(
        id=record.id,
        text=record.text or "",
        pictures=pictures,
        label=record.label,
        group="",
        split=record.split or record.label.value,
        scenario=record.category,
        source=record.source,
        sampling_probability=record.sampling_probability,
    )


def _grouped(rows: list[_Row]) -> tuple[LabelledPair, ...]:
    """Return the pairs with their groups, each named after its first declared group, or else its first row."""

    def keys(row: _Row) -> list[Hashable]:
        shared: list[Hashable] = [("picture", picture.sha256) for picture in row.pair.pictures]
        if row.declared is not None:
            return [*shared, ("group", row.declared)]
        return [*shared, ("wording", wording(row.pair.text))] if row.pair.text else shared

    roots = connected([keys(row) for row in rows])
    names: dict[int, str] = {}
    for row, root in zip(rows, roots, strict=True):
        if row.declared is not None:
            names.setdefault(root, row.declared)
    return tuple(
        replace(row.pair, group=names.get(root, f"like {rows[root].pair.id}"))
        for row, root in zip(rows, roots, strict=True)
    )

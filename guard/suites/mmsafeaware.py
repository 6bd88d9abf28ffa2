"""MMSafeAware in its authors' layout: `data/prompt.txt` and `data/images*/<row number>.<ext>`, whole or in part.

Splits, scenarios, attacks and groups come from the id table in `mmsafeaware_ids`, so they are the same with and without
a `scenarios.csv`; where that file stands beside `data/`, its groups hold for rows that the table does not know. Rows
that neither knows are joined with the group whose picture they share, else with each other; the authors' whole clone
needs no `scenarios.csv` to give every group the name that it has there.

Every row of this benchmark asks about a picture, and a label speaks of prompt and picture together. So a row without a
picture is never scored as text alone: rows whose file is not in the folder, and rows 2301 to 2370, for which the
release has none, are all named in `missing_pictures`.
"""

import csv
import re
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from guard.bundle import digest_file
from guard.errors import SuiteInvalid
from guard.suites.groups import connected
from guard.suites.mmsafeaware_ids import RowFacts, group_name, row_facts
from guard.suites.pictures import StoredPicture
from guard.suites.suite import Label, LabelledPair, Suite, digest_pairs

_EXTENSIONS = {".jpeg", ".jpg", ".png", ".webp"}
_ROW_NUMBER = re.compile(r"[0-9]+")
_GROUP_NAME = re.compile(r"g[0-9]+")


@dataclass(frozen=True, slots=True)
class _Row:
    number: int
    question: str
    facts: RowFacts
    picture: StoredPicture | None
    group: str | None  # known from the table or from scenarios.csv


def is_mmsafeaware(folder: Path) -> bool:
    """Return whether a folder has the authors' layout."""
    return (folder / "data" / "prompt.txt").is_file()


def load_mmsafeaware(folder: Path) -> Suite:
    """Return the rows whose picture is there; the others are named. Raises SuiteInvalid with file and line."""
    prompts = folder / "data" / "prompt.txt"
    pictures = _find_pictures(folder / "data")
    declared = _declared_groups(folder / "scenarios.csv")
    rows: list[_Row] = []
    seen: set[int] = set()
    for line, number, question in _read_questions(prompts):
        facts = row_facts(number)
        if facts is None:
            raise SuiteInvalid(f"{prompts}:{line}: the benchmark has no row {number}")
        if number in seen:
            raise SuiteInvalid(f"{prompts}:{line}: id {number} occurs twice")
        seen.add(number)
        rows.append(_Row(number, question, facts, pictures.get(number), facts.group or declared.get(number)))
    pairs = _pairs(rows)
    if not pairs:
        raise SuiteInvalid(f"{folder}: none of {len(rows)} rows has its picture")
    missing = tuple(str(row.number) for row in rows if row.picture is None)
    return Suite("mmsafeaware", folder, "mmsafeaware", digest_pairs(pairs), pairs, missing)


def read_sentences(folder: Path) -> dict[str, str]:
    """Return every row's prompt by its id, also where the picture is missing. Raises SuiteInvalid."""
    rows = _read_questions(folder / "data" / "prompt.txt")
    return {str(number): _sentence(question) for _, number, question in rows}


def _read_questions(file: Path) -> Iterator[tuple[int, int, str]]:
    """Yield line number, row number and question of each block of lines between blank lines."""
    try:
        lines = [*file.read_text(encoding="utf-8-sig").splitlines(), ""]
    except (OSError, UnicodeDecodeError) as error:
        raise SuiteInvalid(f"{file}: not readable as UTF-8 text") from error
    block: list[str] = []
    for line, text in enumerate(lines, start=1):
        if text.strip():
            block.append(text)
            continue
        if block:
            start = line - len(block)
            number = block[0].strip()
            if not _ROW_NUMBER.fullmatch(number):
                raise SuiteInvalid(f"{file}:{start}: a row begins with its number")
            if len(block) < 2:
                raise SuiteInvalid(f"{file}:{start}: row {number} has no question")
            yield start, int(number), "\n".join(block[1:])
        block = []


def _sentence(question: str) -> str:
    """Return what stands in the quotes after the fixed question: the user's prompt."""
    first, last = question.find('"'), question.rfind('"')
    return question[first + 1 : last] if last > first else question.splitlines()[-1]


def _find_pictures(data: Path) -> dict[int, StoredPicture]:
    found: dict[int, StoredPicture] = {}
    for file in sorted(data.glob("images*/*")):
        if file.suffix.lower() in _EXTENSIONS and _ROW_NUMBER.fullmatch(file.stem):
            if int(file.stem) in found:
                raise SuiteInvalid(f"{file}: row {file.stem} has two pictures")
            found[int(file.stem)] = StoredPicture(file, digest_file(file).sha256)
    return found


def _declared_groups(file: Path) -> dict[int, str]:
    if not file.is_file():
        return {}
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            return {int(row["id"]): row["group"] for row in csv.DictReader(opened) if row["group"]}
    except (OSError, KeyError, ValueError, csv.Error) as error:
        raise SuiteInvalid(f"{file}: not a table with the columns id and group") from error


def _pairs(rows: list[_Row]) -> tuple[LabelledPair, ...]:
    groups = _groups(rows)
    return tuple(
        LabelledPair(
            id=str(row.number),
            text=_sentence(row.question),
            pictures=(row.picture,),
            label=Label.UNSAFE if row.facts.is_unsafe else Label.SAFE,
            group=group,
            split=row.facts.split,
            scenario=row.facts.scenario,
            attack=row.facts.attack,
            source="MMSafeAware",
            question=row.question,
        )
        for row, group in zip(rows, groups, strict=True)
        if row.picture is not None
    )


def _groups(rows: list[_Row]) -> list[str]:
    def keys(row: _Row) -> list[Hashable]:
        shared: list[Hashable] = [] if row.group is None else [("group", row.group)]
        shared += [] if row.facts.base_id is None else [("base", row.facts.base_id)]
        return [*shared, ("picture", row.picture.sha256)] if row.picture else shared

    roots = connected([keys(row) for row in rows])
    known: dict[int, str] = {}
    for row, root in zip(rows, roots, strict=True):
        if row.group is not None:
            known[root] = min(known.get(root, row.group), row.group)
    first: dict[int, int] = {}
    for row, root in zip(rows, roots, strict=True):
        first[root] = min(first.get(root, row.number), row.number)
    names = {root: f"row {number}" for root, number in first.items()} | _numbered(first, known) | known
    return [names[root] for root in roots]


def _numbered(first: Mapping[int, int], known: Mapping[int, str]) -> dict[int, str]:
    """Return the table's kind of name for unknown groups whose number follows from their place.

    Group numbers count groups by their first row. Where as many unknown groups lie between two known ones as numbers
    are free between them, each has its number; in a whole copy that is every group. In a partial one the rest is named
    after its first row.
    """
    order = sorted(first, key=lambda root: first[root])
    anchors = [(place, _table_number(known.get(root))) for place, root in enumerate(order)]
    fixed = [(place, number) for place, number in anchors if number is not None]
    return {
        order[place]: group_name(number + place - start)
        for (start, number), (end, last) in pairwise(fixed)
        if last - number == end - start
        for place in range(start + 1, end)
    }


def _table_number(name: str | None) -> int | None:
    return int(name[1:]) if name is not None and _GROUP_NAME.fullmatch(name) else None

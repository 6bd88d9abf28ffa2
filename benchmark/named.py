"""A report, and what its rows are called."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.figures import SuiteReport
from guard.errors import UsageError


@dataclass(frozen=True, slots=True)
class NamedRun:
    """A report, and what its rows are called: the run's folder."""

    name: str
    report: SuiteReport


def names_of(folders: Sequence[Path]) -> list[str]:
    """Return what runs are called: their folders' names, with as many folders above as it takes to tell them apart.

    Raises:
        UsageError: a folder is given twice.
    """
    places = [folder.resolve().parts for folder in folders]
    if len(set(places)) < len(places):
        twice = next(folder for folder, place in zip(folders, places, strict=True) if places.count(place) > 1)
        raise UsageError(f"{twice}: the same run twice")
    lengths = [1] * len(places)
    while True:
        names = ["/".join(place[-length:]) for place, length in zip(places, lengths, strict=True)]
        counts = Counter(names)
        if len(counts) == len(names):
            return names
        lengths = [length + (counts[name] > 1) for length, name in zip(lengths, names, strict=True)]

"""Whether two suites hold the same rows, told from a few hashes of each that are kept after a look.

A file loses a row, gains a column or gets other labels, and its digest is another one; the rows that somebody looked at
are still there. So beside the looks at a suite lies a sample of its contents: of the hashes of all rows the smallest
ones, which two suites with a row in common both keep (bottom-k sampling; Cohen and Kaplan, 2007).
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import orjson

from guard.suites import LabelledPair
from guard.suites.wording import wording

_KEPT = 1024
_HASH_BYTES = 7  # JSON holds integers below 2^63
_EVERY_HASH = 256**_HASH_BYTES


@dataclass(frozen=True, slots=True)
class Sample:
    """The smallest hashes of a suite's rows, ascending; all of them where there are no more than are kept."""

    hashes: tuple[int, ...]
    is_whole: bool

    @classmethod
    def of(cls, pairs: Iterable[LabelledPair]) -> "Sample":
        """Return the sample of some rows. Their ids, labels, groups and order play no part."""
        found = sorted(set(map(_hash, pairs)))
        return cls(tuple(found[:_KEPT]), len(found) <= _KEPT)

    def shared_with(self, other: "Sample") -> float:
        """Return about which share of the smaller suite's rows the other holds too, in [0, 1]."""
        # Up to here both samples are complete.
        most = min(_EVERY_HASH if sample.is_whole else sample.hashes[-1] for sample in (self, other))
        mine, theirs = ({each for each in sample.hashes if each <= most} for sample in (self, other))
        return len(mine & theirs) / min(len(mine), len(theirs)) if mine and theirs else 0.0


def _hash(pair: LabelledPair) -> int:
    content = [wording(pair.text), sorted(picture.sha256 for picture in pair.pictures)]
    return int.from_bytes(hashlib.sha256(orjson.dumps(content)).digest()[:_HASH_BYTES])


def keep(sample: Sample, file: Path) -> None:
    """Write a sample where none is yet. Raises OSError."""
    if not file.exists():
        half = file.with_name(f".{file.name}.part")
        half.write_bytes(orjson.dumps([sample.is_whole, sample.hashes]))
        half.replace(file)


def read_sample(file: Path) -> Sample | None:
    """Return the sample in a file; None where it is damaged or not there. Raises OSError: nobody can tell."""
    try:
        document = orjson.loads(file.read_bytes())
    except (FileNotFoundError, orjson.JSONDecodeError):
        return None
    match document:
        case [bool() as is_whole, [*hashes]] if hashes and all(isinstance(each, int) for each in hashes):
            return Sample(tuple(hashes), is_whole)
    return None

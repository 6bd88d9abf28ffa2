"""How often the same data was calibrated on, and what is left of the confidence when all of it is taken together.

A certificate is honest about one declaration. Who declares another limit after seeing the first answer, or tries the
next bundle on the same rows, holds the best of several: the errors of all of them add up. A look at a file that shares
rows with this one is a look at these rows.
"""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import orjson

from guard.calibration.declaration import Declaration
from guard.calibration.same_rows import Sample, keep, read_sample

_log = logging.getLogger(__name__)

# Of the smaller one's rows: from here on two suites are one source, looked at twice.
_SAME_FROM = 0.05
_ROWS = ".rows"


@dataclass(frozen=True, slots=True, order=True)
class Look:
    """One reading of the certifying half: by which bundle, for which limits."""

    bundle: str  # digest
    unit: str
    confidence: float
    limits: tuple[float, ...]  # of false refusals; 1 + a limit of misses; 2 + a limit for each category
    elsewhere: str = ""  # digest of the suite that was read, where it is another one with some of the same rows

    @classmethod
    def of(cls, declaration: Declaration, bundle: str) -> "Look":
        """Return the look that a declaration takes at a bundle's scores."""
        limits = list(declaration.limits)
        limits += [] if declaration.miss_limit is None else [1 + declaration.miss_limit]
        limits += [] if declaration.category_limit is None else [2 + declaration.category_limit]
        return cls(bundle, declaration.unit, declaration.confidence, tuple(sorted(limits)))


@dataclass(frozen=True, slots=True)
class Looks:
    """All looks at one suite so far, this one included."""

    count: int
    distinct: tuple[Look, ...]
    is_counted: bool  # False: this one could not be noted, or earlier ones not be read, so there may be others

    @property
    def of_other_files(self) -> tuple[Look, ...]:
        """Those at other suites that hold some of the same rows."""
        return tuple(look for look in self.distinct if look.elsewhere)

    @property
    def joint_confidence(self) -> float | None:
        """With which confidence all certificates of all distinct looks hold together, by Bonferroni; at least 0.

        None where looks are not counted: nobody knows how many there were.
        """
        if not self.is_counted:
            return None
        return max(0.0, round(1.0 - sum(1.0 - look.confidence for look in self.distinct), 9))


def take_look(file: Path | None, look: Look, rows: Sample | None = None) -> Looks:
    """Note a look in the suite's file, and return all of them, those at other suites with the same rows included.

    Without a file, or where it cannot be written, only the looks that can be read are known. Damaged lines are none.

    Args:
        file: of the suite; those of others lie beside it.
        look: taken now.
        rows: of the suite; None looks for no others.
    """
    if file is None:
        return Looks(1, (look,), is_counted=False)
    is_counted = True
    looks = [look]
    try:
        looks += _read(file)
        looks += [] if rows is None else _at_same_rows(file, rows)
    except OSError as error:
        _log.warning("calibrations on this data are not counted: %s: %s", error.filename or file, error.strerror)
        is_counted = False
    if is_counted:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            if rows is not None:
                keep(rows, file.with_suffix(_ROWS))
            with file.open("ab") as opened:
                # A line break on both sides: the last line may have been cut short.
                opened.write(b"\n" + orjson.dumps([look.bundle, look.unit, look.confidence, look.limits]) + b"\n")
        except OSError as error:
            _log.warning("this calibration is not counted: %s: %s", file, error.strerror)
            is_counted = False
    return Looks(len(looks), tuple(sorted(set(looks))), is_counted)


def _at_same_rows(file: Path, rows: Sample) -> list[Look]:
    """Return the looks at other suites that share rows with this one. Raises OSError."""
    found: list[Look] = []
    for other in sorted(file.parent.glob(f"*{_ROWS}")):
        if other.stem != file.stem and (sample := read_sample(other)) and rows.shared_with(sample) >= _SAME_FROM:
            found += [replace(look, elsewhere=other.stem) for look in _read(other.with_suffix(file.suffix))]
    return found


def _read(file: Path) -> list[Look]:
    """Return the looks so far. Raises OSError: nobody can tell."""
    try:
        lines = file.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    return [look for look in map(_look_in, lines) if look is not None]


def _look_in(line: bytes) -> Look | None:
    """Return the look in a line; None where it is damaged."""
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    match document:
        case [str() as bundle, str() as unit, float() as confidence, [*limits]] if all(
            isinstance(limit, float) for limit in limits
        ):
            return Look(bundle, unit, confidence, tuple(limits))
    return None

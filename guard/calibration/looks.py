"""How often the same data was calibrated on, and what is left of the confidence when all of it is taken together.

A certificate is honest about one declaration. Who declares another limit after seeing the first answer, or tries the
next bundle on the same rows, holds the best of several: the errors of all of them add up.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

import orjson

from guard.calibration.declaration import Declaration

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, order=True)
class Look:
    """One reading of the certifying half: by which bundle, for which limits."""

    bundle: str  # digest
    unit: str
    confidence: float
    limits: tuple[float, ...]  # of false refusals; 1 + a limit of misses; 2 + a limit for each category

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
    def joint_confidence(self) -> float | None:
        """With which confidence all certificates of all distinct looks hold together, by Bonferroni; at least 0.

        None where looks are not counted: nobody knows how many there were.
        """
        if not self.is_counted:
            return None
        return max(0.0, round(1.0 - sum(1.0 - look.confidence for look in self.distinct), 9))


def take_look(file: Path | None, look: Look) -> Looks:
    """Note a look in the suite's file, and return all of them.

    Without a file, or where it cannot be written, only the looks that can be read are known. Damaged lines are none.
    """
    if file is None:
        return Looks(1, (look,), is_counted=False)
    earlier = _read(file)
    looks, is_counted = [*(earlier or ()), look], earlier is not None
    if is_counted:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("ab") as opened:
                # A line break on both sides: the last line may have been cut short.
                opened.write(b"\n" + orjson.dumps([look.bundle, look.unit, look.confidence, look.limits]) + b"\n")
        except OSError as error:
            _log.warning("this calibration is not counted: %s: %s", file, error.strerror)
            is_counted = False
    return Looks(len(looks), tuple(sorted(set(looks))), is_counted)


def _read(file: Path) -> list[Look] | None:
    """Return the looks so far; None where nobody can tell."""
    try:
        lines = file.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        _log.warning("calibrations on this data are not counted: %s: %s", file, error.strerror)
        return None
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

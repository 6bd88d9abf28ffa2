"""All decisions of a window by how they were drawn: what a sample of them is a sample of. Scores only, no content."""

import math
import struct
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from guard.store.reading import within
from guard.store.schema import decisions
from guard.store.values import Window
from guard.types import Action

# Of packed scores (`guard.store.rows`) the one by which decisions are made: behind one byte.
_UNSAFE = struct.Struct("<xd")
_DIGITS = 6  # a raw score's noise is larger
_AT_ONCE = 2000


@dataclass(slots=True)
class Cell:
    """Decisions of one stratum that were drawn with about the same probability: within a factor of two."""

    name: str
    least: float = 1.0  # of the probabilities with which its decisions were drawn; 0: none was ever to be drawn
    scores: list[float] = field(default_factory=list)
    refused_unscored: int = 0
    passed_unscored: int = 0

    @property
    def n(self) -> int:
        """Return how many decisions there are."""
        return len(self.scores) + self.refused_unscored + self.passed_unscored


@dataclass(frozen=True, slots=True)
class Place:
    """Where a decision that was drawn stands: its cell, and its score; None where it was made without one."""

    cell: str
    score: float | None
    is_refused: bool
    sampling_probability: float


@dataclass(frozen=True, slots=True)
class Decided:
    """All decisions of a window by cell, and the drawn ones by id."""

    cells: dict[str, Cell]
    drawn: dict[str, Place]


def decided(connection: Connection, window: Window, policy: str | None) -> Decided:
    """Return the decisions of a window, perhaps under one policy only."""
    names = ("id", "stratum", "sampling_probability", "is_sampled", "intended", "scores")
    asked = select(*(decisions.c[name] for name in names)).where(*within(window, policy))
    cells: dict[str, Cell] = {}
    drawn: dict[str, Place] = {}
    for row in connection.execution_options(yield_per=_AT_ONCE).execute(asked):
        probability = float(row.sampling_probability)
        name = cell_name(row.stratum, probability)
        cell = cells.setdefault(name, Cell(name))
        cell.least = min(cell.least, probability)
        score = None if row.scores is None else round(_UNSAFE.unpack_from(row.scores)[0], _DIGITS)
        is_refused = row.intended == Action.BLOCK.value
        if score is not None:
            cell.scores.append(score)
        elif is_refused:
            cell.refused_unscored += 1
        else:
            cell.passed_unscored += 1
        if row.is_sampled:
            drawn[row.id] = Place(name, score, is_refused, probability)
    return Decided(cells, drawn)


def cell_name(stratum: str, probability: float) -> str:
    """Return the name of the cell of a decision: its stratum, and the power of two above its probability."""
    return f"{stratum} never" if probability <= 0 else f"{stratum} 2^{math.frexp(probability)[1]}"

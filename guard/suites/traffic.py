"""What reviewed pairs are a sample of: `traffic.json`, written beside `records.jsonl` by `guard review export`.

It has the raw scores of all decisions of the window by cell, a cell being what was drawn with about one probability,
and for each decision that was drawn where it stands. What is drawn and not among the records has no label.
"""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field, NonNegativeInt, ValidationError, model_validator

from guard.errors import SuiteInvalid

TRAFFIC = "traffic.json"
Chance = Annotated[float, Field(ge=0, le=1)]


class RecordedCell(BaseModel, frozen=True, extra="forbid"):
    """The decisions of one cell; those without a score are numbers."""

    least: Chance
    scores: tuple[float, ...]
    refused_unscored: NonNegativeInt = 0
    passed_unscored: NonNegativeInt = 0

    @property
    def n(self) -> int:
        """Return how many decisions there are."""
        return len(self.scores) + self.refused_unscored + self.passed_unscored


class RecordedPlace(BaseModel, frozen=True, extra="forbid"):
    """Where a decision stands that was drawn."""

    cell: str
    score: Annotated[float, Field(allow_inf_nan=False)] | None
    is_refused: bool
    sampling_probability: Annotated[float, Field(gt=0, le=1)]


class RecordedTraffic(BaseModel, frozen=True, extra="forbid"):
    """All decisions of a window."""

    since: float
    until: float
    cells: dict[str, RecordedCell]
    drawn: dict[str, RecordedPlace]

    @model_validator(mode="after")
    def _what_was_drawn_is_of_a_cell(self) -> "RecordedTraffic":
        for place in self.drawn.values():
            cell = self.cells.get(place.cell)
            if cell is None or not 0 < cell.least <= place.sampling_probability:
                raise ValueError(f"drawn: no such cell, or one that is never drawn: {place.cell[:60]!r}")
        return self

    @property
    def n(self) -> int:
        """Return how many decisions there are."""
        return sum(cell.n for cell in self.cells.values())


def read_traffic(folder: Path) -> tuple[RecordedTraffic, bytes] | None:
    """Return what lies in a folder, and its very bytes; None where nothing does. Raises SuiteInvalid: it is damaged."""
    file = folder / TRAFFIC
    try:
        data = file.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise SuiteInvalid(f"{file}: {error.strerror}") from error
    try:
        return RecordedTraffic.model_validate_json(data), data
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))[:80] or "document"
        raise SuiteInvalid(f"{file}: {place}: {first['msg']}") from error

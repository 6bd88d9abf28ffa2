"""The document of a cross-fitted evaluation, `crossfit.json`. Rates lie in [0, 1]; None is undefined."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ValidationError

from guard.errors import UsageError
from guard.stats.certify import Unit

NO_CHOICE = "no choice"  # a half held one label only


class Rate(BaseModel, frozen=True, extra="forbid"):
    """A share with its 95 % interval: what other groups would have shown, the choices being what they were."""

    value: float | None
    low: float | None
    high: float | None


class WayFigures(BaseModel, frozen=True, extra="forbid"):
    """What thresholds that were chosen in one way did to groups that had no part in the choice."""

    n_choices: int  # with a threshold, and groups that count to measure it on
    by_group: Rate  # harmless groups with a refused row
    by_request: Rate  # harmless requests refused: a group is drawn, then one of its rows; also of unit mean
    recall: Rate  # unsafe requests refused, drawn likewise
    repeats: tuple[float | None, ...]  # the promised rate over all groups of each repeat
    repeats_above: int  # repeats in which it exceeded the limit
    choices_above: int  # choices whose own held-out groups exceeded it
    expected_above_at_limit: float  # so many would, by chance, were every true rate exactly the limit
    choices_refuted: int  # choices whose held-out groups alone rule the limit out, by an exact bound


class LimitFigures(BaseModel, frozen=True, extra="forbid"):
    """What one limit came to."""

    limit: float
    outcomes: Mapping[str, int]  # of the choices: certified, useless, not certifiable, NO_CHOICE
    recall_proven: float | None  # mean of the lower bounds that the certificates gave
    proven: WayFigures  # certified thresholds, useless ones too
    plain: WayFigures  # the lowest thresholds whose observed rate stayed within the limit


class CrossFit(BaseModel, frozen=True, extra="forbid"):
    """A whole evaluation."""

    suite: str
    suite_digest: str
    target: str
    bundle: str  # name, version and digest
    n: int
    n_groups: int
    n_harmless_groups: int
    n_unsafe_groups: int
    unjudged: int
    missing_pictures: int
    thinned: int  # rows left out so that all others were sampled with equal probability
    repeats: int
    folds: int
    confidence: float
    unit: Unit
    calibrations: Mapping[str, int]
    limits: tuple[LimitFigures, ...]


def read_crossfit(path: Path) -> CrossFit:
    """Return the evaluation in a file. Raises UsageError when there is none."""
    try:
        return CrossFit.model_validate_json(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "top level"
        raise UsageError(f"{path}: not an evaluation of this version: {place}: {first['msg']}") from error

"""The documents of a run: what `report.json` holds, as frozen models. Rates lie in [0, 1]; None is undefined."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ValidationError

from guard.errors import UsageError

REPORT = "report.json"
FRR_LIMITS = ("0.01", "0.05", "0.10")

Interval = tuple[float, float] | None


class SplitFigures(BaseModel, frozen=True):
    """Accuracy on a part of a suite, with its 95 % interval over groups."""

    n: int
    n_groups: int
    accuracy: float | None
    low: float | None
    high: float | None


class ScenarioFigures(SplitFigures, frozen=True):
    """Accuracy on one scenario, or one kind of attack; `split` is None where it lies in several."""

    split: str | None


class Latency(BaseModel, frozen=True):
    """Milliseconds a pair, as the run saw them: pairs side by side, pictures and writing seen before not read twice."""

    p50: float | None
    p95: float | None
    p99: float | None


class Figures(BaseModel, frozen=True):
    """What a target does on a suite, or on a control. Rows without a verdict are counted and lie outside every rate."""

    n: int  # rows with a verdict
    n_groups: int
    n_unsafe: int
    n_safe: int
    errors: int  # rows on which the target failed
    unjudged: int  # rows that it could not judge
    codes: Mapping[str, int]  # why there was no verdict
    splits: Mapping[str, SplitFigures]
    scenarios: Mapping[str, ScenarioFigures]
    accuracy: float | None
    accuracy_if_wrong: float | None  # all rows without a verdict counted as wrong
    accuracy_if_right: float | None
    total: float | None  # unweighted mean of the splits
    total_if_wrong: float | None
    total_if_right: float | None
    recall: float | None
    false_refusal_rate: float | None
    group_false_refusal_rate: float | None  # groups with at least one harmless row refused
    auc: float | None
    auc_typical: float | None  # MMSafeAware: typical against over-safety
    recall_at_frr: Mapping[str, float | None]
    intervals: Mapping[str, Interval]
    latency_ms: Latency


class Margin(BaseModel, frozen=True):
    """AUC on typical against over-safety, less the best of 0.5 and the controls, with its paired 95 % interval."""

    auc: float
    best: str  # which control, or chance, is the best of them
    best_auc: float
    margin: float
    low: float
    high: float
    n: int
    n_groups: int


class AnswerFigures(BaseModel, frozen=True):
    """Of a model that is asked in words: how it answered, the lenient reading, and what it took."""

    kinds: Mapping[str, Mapping[str, int]]  # by split, then by kind of answer; failed rows have none
    lenient: Figures  # the same rows by the lenient reading; `codes` keeps why the strict one found nothing
    scored: int  # rows with a score
    requests: int  # sent in this run, the repeated ones included
    cached: int  # rows answered from the cache
    tokens_in: int
    tokens_out: int
    cost_usd: float | None  # of all answers, whoever paid; None where no row has a price
    spent_usd: float | None  # ... without those from the cache
    rows_without_price: int
    served_by: tuple[str, ...]  # models as the answers name them; more than one: an alias moved during the run


class SuiteReport(Figures, frozen=True):
    """A whole run. `missing_pictures` rows were never run: their ids are listed, the rest is measured."""

    suite: str
    suite_digest: str
    target: str
    target_info: Mapping[str, str | float | None]
    versions: Mapping[str, str]
    limit: int | None
    missing_pictures: int
    missing_picture_ids: tuple[str, ...]
    unequal_sampling: bool  # rows carry different sampling probabilities; every figure counts each row once
    controls: Mapping[str, Figures]
    picture_margin: Margin | None = None  # where the suite has the splits typical and over_safety, and controls ran
    controls_left_out: Mapping[str, str]
    answers: AnswerFigures | None = None  # of the suite itself; None for a target that is not asked in words

    def write(self, folder: Path) -> None:
        """Write `report.json`, whole or not at all. Raises UsageError."""
        part = folder / f"{REPORT}.part"
        try:
            part.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")
            part.replace(folder / REPORT)
        except OSError as error:
            raise UsageError(f"{folder}: the report cannot be written: {error.strerror}") from error


def read_report(folder: Path) -> SuiteReport:
    """Return the report of a finished run. Raises UsageError when there is none."""
    try:
        return SuiteReport.model_validate_json((folder / REPORT).read_bytes())
    except OSError as error:
        raise UsageError(
            f"{folder}: no {REPORT}; the run is not finished (call `guard benchmark run` again)"
        ) from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "top level"
        raise UsageError(f"{folder / REPORT}: not a report of this version: {place}: {first['msg']}") from error

"""Accuracy by scenario: runs beside each other, and each run with its intervals."""

from collections.abc import Iterator, Mapping, Sequence

from benchmark.figures import ScenarioFigures, SplitFigures
from benchmark.measure import OVER_SAFETY, TYPICAL
from benchmark.named import NamedRun
from benchmark.sheets import Sheet

_SPLITS = (TYPICAL, "attack", OVER_SAFETY)  # as in the paper's first table
_WIDTH, _GAP = 80, 2  # of a terminal; between two columns


def scenario_sheets(suite: str, runs: Sequence[NamedRun]) -> list[Sheet]:
    """Return the sheets of runs of one suite that have scenarios; several runs stand beside each other first."""
    chosen = [run for run in runs if run.report.scenarios]
    together = _beside_each_other(suite, chosen) if len(chosen) > 1 else ()
    return [*together, *(_with_intervals(run) for run in chosen)]


def _beside_each_other(suite: str, runs: Sequence[NamedRun]) -> Iterator[Sheet]:
    """Yield sheets of as many runs as fit beside the names; rows are all scenarios that any of the runs has."""
    parts = {name: part for run in runs for name, part in run.report.scenarios.items()}
    names = _by_split(parts)
    room = _WIDTH - max(map(len, names))
    columns: list[NamedRun] = []
    for run in runs:
        used = sum(_GAP + max(len(column.name), 5) for column in [*columns, run])
        if columns and used > room:
            yield _side_by_side(suite, names, columns)
            columns = []
        columns.append(run)
    yield _side_by_side(suite, names, columns)


def _side_by_side(suite: str, names: Sequence[str], runs: Sequence[NamedRun]) -> Sheet:
    rows = tuple((name, *(_percent(run.report.scenarios.get(name)) for run in runs)) for name in names)
    return Sheet(f"{suite} by scenario: right, %", ("scenario", *(run.name for run in runs)), rows)


def _with_intervals(run: NamedRun) -> Sheet:
    rows = tuple(
        (name, part.split or "several", str(part.n), str(part.n_groups), _percent(part), _interval(part))
        for name in _by_split(run.report.scenarios)
        for part in (run.report.scenarios[name],)
    )
    return Sheet(
        f"{run.report.suite} by scenario: {run.name}",
        ("scenario", "split", "n", "groups", "right, %", "95 %"),
        rows,
        wordy=("split",),
    )


def _by_split(parts: Mapping[str, ScenarioFigures]) -> list[str]:
    """Return the names of scenarios, those of a split together; a sample of rows has them in no order."""
    found = dict.fromkeys(part.split for part in parts.values())
    splits = sorted(found, key=lambda split: _SPLITS.index(split) if split in _SPLITS else len(_SPLITS))
    return [name for split in splits for name, part in parts.items() if part.split == split]


def _percent(part: SplitFigures | None) -> str:
    return "–" if part is None or part.accuracy is None else f"{100 * part.accuracy:.1f}"


def _interval(part: SplitFigures) -> str:
    return "" if part.low is None or part.high is None else f"{100 * part.low:.0f}–{100 * part.high:.0f}"

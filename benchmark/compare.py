"""Two runs on the same rows: differences with intervals from one set of draws, so that what both share cancels."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from benchmark.finished import read_finished
from benchmark.measure import headline_measures, values_of
from benchmark.rows import Row
from benchmark.sheets import Sheet
from guard.errors import UsageError
from guard.stats.bootstrap import Measure, estimate


class Difference(BaseModel, frozen=True):
    """A figure of both runs, and second minus first with its 95 % interval; None where undefined."""

    first: float | None
    second: float | None
    difference: float | None
    low: float | None
    high: float | None


class Comparison(BaseModel, frozen=True):
    """Two runs of one suite on the rows that both have a verdict for."""

    suite: str
    first: str
    second: str
    n: int
    n_groups: int
    n_differing: int  # rows with opposite verdicts
    only_first: int  # rows with a verdict in one run alone
    only_second: int
    same_data: bool  # whether both runs saw the same suite, by digest
    differences: Mapping[str, Difference]


@dataclass(frozen=True, slots=True)
class _Minus:
    """One measure less another, draw by draw."""

    second: Measure
    first: Measure

    def __call__(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.second(weights) - self.first(weights)


def compare_runs(first: Path, second: Path) -> Comparison:
    """Return what changes from the first run to the second, on the rows that both judged.

    Raises:
        UsageError: a folder is no finished run, the suites differ in name, or no row has a verdict in both.
    """
    runs = [read_finished(folder) for folder in (first, second)]
    before_report, after_report = (run.report for run in runs)
    if before_report.suite != after_report.suite:
        raise UsageError(f"{first} ran {before_report.suite}, {second} ran {after_report.suite}: nothing to compare")
    rows = [{row.id: row for row in run.rows if row.unsafe is not None} for run in runs]
    shared = [id_ for id_, row in rows[0].items() if id_ in rows[1] and _same_pair(row, rows[1][id_])]
    if not shared:
        raise UsageError(f"{first} and {second} have no row with a verdict in both")
    one, two = ([part[id_] for id_ in shared] for part in rows)
    splits = tuple(dict.fromkeys(row.split for row in one))
    before, after = headline_measures(one, splits), headline_measures(two, splits)
    names = [name for name in before if name in after]
    found = estimate({name: _Minus(after[name], before[name]) for name in names}, [row.group for row in one])
    first_values, second_values = values_of(before, len(one)), values_of(after, len(two))
    return Comparison(
        suite=before_report.suite,
        first=str(first),
        second=str(second),
        n=len(shared),
        n_groups=len({row.group for row in one}),
        n_differing=sum(a.unsafe != b.unsafe for a, b in zip(one, two, strict=True)),
        only_first=len(rows[0]) - len(shared),
        only_second=len(rows[1]) - len(shared),
        same_data=before_report.suite_digest == after_report.suite_digest,
        differences={
            name: Difference(
                first=first_values[name],
                second=second_values[name],
                difference=found[name].value,
                low=found[name].low,
                high=found[name].high,
            )
            for name in names
        },
    )


def to_sheet(comparison: Comparison) -> Sheet:
    """Return the comparison as a table."""
    rows = tuple(
        (
            _in_words(name),
            *map(_signless, (one.first, one.second)),
            _signed(one),
            _range(one),
        )
        for name, one in comparison.differences.items()
    )
    notes = [
        f"first: {comparison.first}; second: {comparison.second}.",
        f"{comparison.n} rows in {comparison.n_groups} groups with a verdict in both "
        f"({comparison.n_differing} verdicts differ); only in the first {comparison.only_first}, "
        f"only in the second {comparison.only_second}.",
    ]
    if not comparison.same_data:
        notes.append("The runs saw different copies of the suite (a partial one?): rows are matched by id.")
    return Sheet(
        f"{comparison.suite}: second − first", ("", "first", "second", "difference", "95 %"), rows, tuple(notes)
    )


def _in_words(name: str) -> str:
    """Return the name of a figure as a row has it."""
    kind, _, limit = name.partition("/")
    if kind == "recall_at_frr":
        return f"recall at {100 * float(limit):g} % refused"
    return name.removeprefix("splits/").replace("_", " ")


def _same_pair(one: Row, other: Row) -> bool:
    return (one.label, one.split) == (other.label, other.split)


def _signless(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _signed(one: Difference) -> str:
    return "–" if one.difference is None else f"{one.difference:+.3f}"


def _range(one: Difference) -> str:
    return "–" if one.low is None or one.high is None else f"{one.low:+.3f} to {one.high:+.3f}"

"""What a finished run found on the suite itself: no more rows than its report counts, and no fewer."""

from dataclasses import dataclass
from pathlib import Path

from benchmark.figures import SuiteReport, read_report
from benchmark.rows import SUITE, Row, read_rows
from guard.errors import UsageError


@dataclass(frozen=True, slots=True)
class Finished:
    """A run's report, and the rows that it was made of, controls left out."""

    report: SuiteReport
    rows: tuple[Row, ...]


def read_finished(folder: Path) -> Finished:
    """Return a run that can be built on: rows come in the suite's order, so those of a part are a sample of nothing.

    Raises:
        UsageError: no run, or one that is not finished, also where a smaller one was before.
    """
    rows = tuple(row for row in read_rows(folder) if row.variant == SUITE)
    report = read_report(folder)
    if (counted := report.n + report.errors + report.unjudged) != len(rows):
        raise UsageError(
            f"{folder}: a larger run was begun and not finished ({len(rows)} rows, its report counts {counted}); call "
            "`guard benchmark run` again"
        )
    return Finished(report, rows)

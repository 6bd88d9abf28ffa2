"""A report, and what its rows are called."""

from dataclasses import dataclass

from benchmark.figures import SuiteReport


@dataclass(frozen=True, slots=True)
class NamedRun:
    """A report, and what its rows are called: the run's folder."""

    name: str
    report: SuiteReport

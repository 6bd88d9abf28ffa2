"""`guard calibrate --adapt`: what it does before certifying, and what it says."""

import asyncio
import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from guard.calibration import Adaptation, Adapted
    from guard.suites import Suite


def adapt_bundle(suite: "Suite", bundle: str, folder: Path, *, today: dt.date, show_progress: bool) -> "Adapted":
    """Return a bundle with another last layer in `folder`, or why there is none, with progress on a terminal."""
    from rich.progress import TaskID

    from guard.bundle import Bundle
    from guard.calibration import adapt
    from guard.cli.scoring import progress_bar

    progress = progress_bar(show=show_progress)
    tasks: dict[str, TaskID] = {}

    def on_progress(what: str, done: int, total: int) -> None:
        task = tasks[what] if what in tasks else tasks.setdefault(what, progress.add_task(what, total=total))
        progress.update(task, completed=done, total=total)

    with progress:
        return asyncio.run(adapt(Bundle.load(bundle), suite, folder, today=today, on_progress=on_progress))


def say_adaptation(adaptation: "Adaptation") -> None:
    """Print the adaptation beside its controls."""
    from rich.console import Console
    from rich.table import Table

    from guard.calibration.adaptation.outcome import between, ranges

    console = Console(markup=False)
    table = Table("seen of the pairs", "AUC before", "AUC adapted", "gain", "whole pairs ahead by")
    for name, row in adaptation.compared.rows.items():
        ahead = "" if row.ahead is None else between(row.ahead)
        table.add_row(name, ranges(row.before), ranges(row.after), between(row.gain), ahead)
    done = "Adapted" if adaptation.refusal is None else "Tried to adapt"
    console.print(f"{done} to {adaptation.suite.name}", style="bold")
    for sentence in adaptation.sentences():
        console.print(f"  {sentence}", highlight=False)
    console.print(table)

"""Scoring a suite on the command line, with progress on a terminal: shared by the commands that want raw scores."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

    from guard.bundle import Bundle
    from guard.calibration import Memory, Scored
    from guard.suites import Suite


async def score(
    suite: "Suite", bundle: str, memory: "Memory | None", *, show_progress: bool
) -> "tuple[Scored, Bundle]":
    """Return the raw scores of a suite by a bundle, and the bundle; known ones are taken from the memory."""
    from guard.calibration import ScoreFile, score_suite
    from guard.config import LimitSettings, PolicySettings, Settings
    from guard.wiring import open_guard

    # Nobody waits for a single pair here: a slow one is judged rather than given up. No decision is made either, so a
    # bundle without the default operating point will do, and so will one whose thresholds were chosen for other graphs:
    # calibrating it is the cure.
    settings = Settings(
        bundle=bundle,
        mode="shadow",
        policy=PolicySettings(threshold=0.5),
        limits=LimitSettings(score_timeout_s=300),
    )
    guard = open_guard(settings)
    try:
        with progress_bar(show=show_progress) as progress:
            task = progress.add_task(f"scoring {suite.name}", total=len(suite.pairs))
            scored = await score_suite(
                guard,
                suite,
                file=ScoreFile(None) if memory is None else memory.scores(guard.bundle, suite, settings),
                side_by_side=2 * (os.cpu_count() or 1),
                on_progress=lambda done, total: progress.update(task, completed=done, total=total),
            )
    finally:
        await guard.aclose()
    return scored, guard.bundle


def progress_bar(*, show: bool) -> "Progress":
    """Return a progress display on stderr that draws on a terminal only."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not (show and console.is_terminal))

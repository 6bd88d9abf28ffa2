"""The memory of raw scores in the user's cache, shared by the commands that score suites."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from guard.calibration import Memory


def open_memory(what_is_lost: str) -> "Memory | None":
    """Return the memory in the user's cache; None, and a line on stderr, where nothing can be kept there.

    Args:
        what_is_lost: begins that line, such as "scores are not kept".
    """
    from guard.calibration import Memory
    from guard.cli.output import claim_folder
    from guard.errors import UsageError

    declared = os.environ.get("XDG_CACHE_HOME")
    try:
        folder = (Path(declared) if declared else Path.home() / ".cache") / "guard"
        claim_folder(folder)
    # In a container the user may have no home: Path.home() says so by RuntimeError.
    except (UsageError, RuntimeError) as error:
        typer.echo(f"{what_is_lost}: {error}", err=True)
        return None
    return Memory(folder)

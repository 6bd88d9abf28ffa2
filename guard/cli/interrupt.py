"""What a command says when it is interrupted."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

_INTERRUPTED = 130  # 128 + SIGINT


@contextmanager
def saying_when_interrupted(kept: str) -> Iterator[None]:
    """Turn Ctrl-C in the block into one line on stderr, which says what was kept of the work, and exit code 130."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"interrupted: {kept}", err=True)
        raise typer.Exit(_INTERRUPTED) from None

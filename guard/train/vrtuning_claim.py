"""Whose a folder of `guard train vrtuning` is: one run's, and one process's at a time."""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from guard.errors import UsageError
from guard.train.checkpoint import load_json, save_json

_RUN = "run.json"


@contextmanager
def claimed(out: Path, described: Mapping[str, Any]) -> Iterator[None]:
    """Hold a folder for a run, made if absent.

    Args:
        out: the folder.
        described: what the run depends on. `base` may differ from call to call: a model's folder may move.

    Raises:
        UsageError: it is another run's, another process's, or holds something else.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        folder = os.open(out, os.O_RDONLY)
    except OSError as error:
        raise UsageError(f"{out}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(f"{out}: another process is training there") from error
        _claim(out, described)
        yield
    finally:
        os.close(folder)


def _claim(out: Path, described: Mapping[str, Any]) -> None:
    path = out / _RUN
    if any(out.iterdir()) and not path.is_file():
        raise UsageError(f"{out}: neither empty nor a run of this command")
    if path.is_file():
        before = load_json(path)
        other = sorted(key for key in {*before, *described} - {"base"} if before.get(key) != described.get(key))
        if other:
            raise UsageError(f"{out} is a run with other {', '.join(other)}: give the same, or another --out")
    save_json(path, described)

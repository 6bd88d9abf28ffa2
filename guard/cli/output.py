"""Folders that a command writes into: tried before the long work, so that none of it is lost to a wrong path."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryFile

from guard.errors import UsageError


def claim_folder(folder: Path) -> None:
    """Make a folder if it is absent, and see that a file can be written there. Raises UsageError with the reason."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(f"{folder}: {error.strerror}") from error


def write_documents(folder: Path, documents: Mapping[str, str]) -> None:
    """Write texts into a folder, by file name. Raises UsageError with path and reason."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in documents.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{folder}: {error.strerror}") from error

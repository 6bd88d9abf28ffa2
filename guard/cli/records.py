"""Lines of a JSONL file as pairs to classify, in the same format as suites: text, picture or pictures, an id."""

from codecs import BOM_UTF8
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from guard.errors import GuardError, SuiteInvalid, UsageError
from guard.types import ImageInput, Pair


@dataclass(frozen=True, slots=True)
class Record:
    """One line: its pair, or why there is none."""

    line: int
    id: str
    pair: Pair | None = None
    error: GuardError | None = None


def read_lines(path: Path) -> list[tuple[int, bytes]]:
    """Return the lines that are not blank, with their numbers from 1. Raises UsageError, also where there are none."""
    try:
        lines = path.read_bytes().removeprefix(BOM_UTF8).splitlines()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    found = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    if not found:
        raise UsageError(f"{path}: holds nothing to judge")
    return found


def load_record(number: int, line: bytes, folder: Path) -> Record:
    """Return a line as a record; its pictures are read now. Whatever is wrong with it is the record's error."""
    name = str(number)
    try:
        document = orjson.loads(line)
        if not isinstance(document, dict):
            raise SuiteInvalid("not a JSON object")
        name = str(document.get("id", number))
        return Record(number, name, pair=_pair(document, folder))
    except orjson.JSONDecodeError as error:
        return Record(number, name, error=SuiteInvalid(f"not JSON: {error.msg}"))
    except UsageError as error:
        return Record(number, name, error=error)


def picture(written: str, folder: Path = Path()) -> ImageInput:
    """Return the picture at a path (relative to `folder`) or behind an http(s) URL. Raises UsageError."""
    if not written:
        raise UsageError("a picture has an empty name")
    if written.lower().startswith(("http://", "https://")):
        return ImageInput(url=written, place=written)
    try:
        return ImageInput(data=(folder / written).read_bytes(), place=written)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a path"
        raise UsageError(f"{written}: {reason}") from error


def _pair(document: dict[str, Any], folder: Path) -> Pair:
    text = document.get("text")
    single, several = document.get("image"), document.get("images")
    written = several if several is not None else [] if single is None else [single]
    if not isinstance(text, str | None):
        raise SuiteInvalid("text: must be a string")
    if not isinstance(written, list) or not all(isinstance(name, str) for name in written):
        raise SuiteInvalid("image: must be a path or URL, images a list of them")
    if text is None and not written:
        raise SuiteInvalid("has neither text nor image")
    return Pair(text or "", tuple(picture(name, folder) for name in written))

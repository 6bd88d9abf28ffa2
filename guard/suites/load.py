"""Find labelled pairs by name or path, and recognise their format by what lies there."""

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Literal

from guard.errors import SuiteInvalid
from guard.suites.mmsafeaware import is_mmsafeaware, load_mmsafeaware
from guard.suites.records import load_jsonl, load_pack
from guard.suites.suite import Suite
from guard.suites.traffic import read_traffic

Format = Literal["mmsafeaware", "jsonl", "pack"]


def load_suite(name_or_path: str | Path, *, data_root: Path | None = None, format: Format | None = None) -> Suite:  # noqa: A002 - named after the command's option
    """Return the suite at a path, or the one of that name under the data folder.

    Args:
        name_or_path: a directory, a JSONL file, or a name: "mmsafeaware", or a pack's ("oktest").
        data_root: where names are looked up; by default `GUARD_DATA`, else `../shared/data` if it is there.
        format: refuse anything else; by default it is recognised by what lies at the path.

    Raises:
        SuiteInvalid: nothing there, not a suite, or damaged; the message names file and line.
    """
    path = _find(str(name_or_path), data_root if data_root is not None else default_data_root())
    found = _recognise(path)
    # A pack is JSON lines in a folder, so who asks for "jsonl" may point at either.
    if format is not None and found != format and (format, found) != ("jsonl", "pack"):
        raise SuiteInvalid(f"{path}: format is {found}, not {format}")
    match found:
        case "mmsafeaware":
            return load_mmsafeaware(path)
        case "pack":
            return load_pack(path)
        case "jsonl":
            return load_jsonl(path)


def with_traffic(suite: Suite) -> Suite:
    """Return a suite with the traffic that its pairs were drawn from, where that lies beside them.

    Its digest then covers the traffic, too. Raises SuiteInvalid: the file is damaged.
    """
    found = read_traffic(suite.path) if suite.kind == "pack" else None
    if found is None:
        return suite
    traffic, data = found
    return replace(suite, traffic=traffic, digest=hashlib.sha256(suite.digest.encode() + data).hexdigest())


def default_data_root() -> Path | None:
    """Return the folder that suite names are looked up in; None when there is none."""
    declared = os.environ.get("GUARD_DATA")
    root = Path(declared) if declared else Path("../shared/data")
    return root if root.is_dir() else None


def _find(name: str, root: Path | None) -> Path:
    if Path(name).exists():
        return Path(name)
    if root is not None and Path(name).name == name:
        for candidate in (root / name, root / "packs" / name):
            if candidate.is_dir():
                return candidate
    where = f"under {root}" if root else "and there is no data folder (set GUARD_DATA)"
    raise SuiteInvalid(f"{name}: no such file or directory, {where}")


def _recognise(path: Path) -> Format:
    if path.is_file():
        return "jsonl"
    if is_mmsafeaware(path):
        return "mmsafeaware"
    if (path / "records.jsonl").is_file():
        return "pack"
    raise SuiteInvalid(f"{path}: holds neither records.jsonl nor data/prompt.txt")

"""House rules that no linter knows: error codes are unique, files stay small, nothing personal is in the tree."""

import re
import subprocess
from fnmatch import fnmatch
from pathlib import Path

from guard import errors

ROOT = Path(__file__).parents[2]
MACHINE_PATH = re.compile(r"(?:^|[^\w.-])/(?:w" r"ork|f" r"arm|r" r"oot|home/\w+)/")


def _tracked(*patterns: str) -> list[Path]:
    """Return the project's files: those that git tracks, or in an unpacked archive all but hidden folders."""
    if (ROOT / ".git").exists():
        listing = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
        return [ROOT / line for line in listing.stdout.splitlines() if (ROOT / line).is_file()]
    files = [path for path in ROOT.rglob("*") if path.is_file()]
    names = [(path, path.relative_to(ROOT)) for path in files]
    shown = [(path, str(name)) for path, name in names if not any(part.startswith(".") for part in name.parts[:-1])]
    return [path for path, name in shown if any(fnmatch(name, pattern) for pattern in patterns)]


def test_every_error_has_its_own_code_and_stands_in_the_tree() -> None:
    classes = [
        value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, errors.GuardError)
    ]
    codes = [cls.code for cls in classes]
    assert len(set(codes)) == len(codes)
    for cls in classes:
        assert cls.__name__ in (errors.__doc__ or "")


def test_no_file_outgrows_one_idea() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in _tracked("guard/*.py", "benchmark/*.py")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert long == {}


def test_no_machine_path_is_in_the_tree() -> None:
    offenders = [
        str(path.relative_to(ROOT))
        for path in _tracked("*.py", "*.md", "*.yaml", "*.yml", "*.toml", "Makefile", "Dockerfile", ".ci/run")
        if MACHINE_PATH.search(path.read_text(encoding="utf-8"))
    ]
    assert offenders == []


def test_weights_stay_below_their_budget() -> None:
    size = sum(path.stat().st_size for path in (ROOT / "guard" / "bundles" / "embedded").glob("*.onnx"))
    assert 0 < size <= 40_000_000

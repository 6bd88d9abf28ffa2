"""House rules that no linter knows: error codes are unique, files stay small, nothing personal is in the tree."""

import re
import subprocess
from pathlib import Path

import pytest

from guard import errors

ROOT = Path(__file__).parents[2]
MACHINE_PATH = re.compile(r"(?:^|[^\w.-])/(?:w" r"ork|f" r"arm|r" r"oot|home/\w+)/")


def _tracked(*patterns: str) -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: the list of tracked files is unknown")
    listing = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / line for line in listing.stdout.splitlines() if (ROOT / line).is_file()]


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

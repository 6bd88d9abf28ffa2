"""What runs are called in a report."""

from pathlib import Path

import pytest

from benchmark.named import names_of
from guard.errors import UsageError


def test_runs_are_called_like_their_folders() -> None:
    assert names_of([Path("/runs/gpt"), Path("/runs/llava")]) == ["gpt", "llava"]


def test_folders_of_one_name_are_told_apart_by_what_is_above() -> None:
    runs = [Path("/may/a/gpt"), Path("/june/a/gpt"), Path("/june/b/gpt"), Path("/june/b/llava")]
    assert names_of(runs) == ["may/a/gpt", "june/a/gpt", "b/gpt", "llava"]


def test_the_same_run_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with pytest.raises(UsageError, match="the same run twice"):
        names_of([tmp_path / "run", tmp_path / "other" / ".." / "run"])

"""guard/THREATS.md names tests that exist, and at least one for each threat."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = [
    line
    for line in (ROOT / "guard" / "THREATS.md").read_text().splitlines()
    if line.startswith("| ") and not line.startswith("| threat |")
]
_NAMED = re.compile(r"`(tests/[a-z0-9_/]+\.py)::(test_[a-z0-9_]+)`")


@pytest.mark.parametrize("row", ROWS, ids=[row.split("|")[1].strip() for row in ROWS])
def test_threat_names_tests_that_there_are(row: str) -> None:
    named = _NAMED.findall(row)

    assert named
    for file, test in named:
        path = ROOT / file
        assert path.is_file(), file
        assert re.search(rf"^(async )?def {test}\(", path.read_text(), re.MULTILINE), f"{file}::{test}"


def test_no_threat_stands_there_twice() -> None:
    threats = [row.split("|")[1] for row in ROWS]

    assert len(threats) == len(set(threats)) >= 30

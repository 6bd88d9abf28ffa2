import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from guard.release.cost import check_latency, check_memory
from guard.release.margins import Margins
from guard.release.resident import peak_mb
from guard.release.words import difference
from guard.suites import load_suite
from tests.release.conftest import Works


async def test_same_bundle_takes_as_long_as_itself(works: Works) -> None:
    pairs = load_suite(works.folder / "few").pairs[:12]

    for _ in range(5):  # on a machine that does ten things at once, one measurement says nothing
        checks = await check_latency(pairs, works.live, works.live, Margins(latency=3.0), lambda *_: None)
        if checks[0].verdict == "holds" and checks[0].difference.value == pytest.approx(1.0, abs=0.5):
            break

    assert [check.place for check in checks] == ["latency", "latency, mean"]
    assert checks[0].verdict == "holds"
    assert checks[0].difference.value == pytest.approx(1.0, abs=0.5)
    assert checks[0].figures["n"] == 12


@pytest.mark.parametrize(
    ("mine", "expected"),
    [
        ([3.0] * 20, [("fails", 1.5), ("fails", 1.5)]),
        ([2.0] * 20, [("holds", 1.0), ("holds", 1.0)]),
        ([2.0] * 17 + [50.0] * 3, [("holds", 1.0), ("fails", 4.6)]),
    ],
    ids=["slower", "alike", "slower on some"],
)
async def test_slower_bundle_fails(
    works: Works, monkeypatch: pytest.MonkeyPatch, mine: list[float], expected: list[tuple[str, float]]
) -> None:
    async def timed(guards: object, pairs: object, on_progress: object) -> np.ndarray:
        return np.stack([np.tile(mine, (3, 1)), np.full((3, 20), 2.0)])

    monkeypatch.setattr("guard.release.cost._interleaved", timed)
    pairs = load_suite(works.folder / "few").pairs[:20]

    checks = await check_latency(pairs, works.live, works.live, Margins(), lambda *_: None)

    assert [(check.verdict, check.difference.value) for check in checks] == expected


async def test_few_pairs_cannot_tell_how_long_they_take(works: Works) -> None:
    pairs = load_suite(works.folder / "few").pairs[:2]

    checks = await check_latency(pairs, works.live, works.live, Margins(), lambda *_: None)

    assert {check.verdict for check in checks} == {"cannot_tell"}


def test_memory_is_that_of_processes_of_their_own(works: Works) -> None:
    check = check_memory(works.live, works.live, Margins(), lambda *_: None)

    assert check.verdict == "holds"
    assert check.candidate is not None
    assert 30 < check.candidate < 1000
    assert check.bounds == "range"
    assert re.fullmatch(r"× \d\.\d\d \(range \d\.\d\d to \d\.\d\d\)", difference(check))


def test_bundle_that_cannot_be_opened_in_a_process_of_its_own_cannot_tell(works: Works, tmp_path: Path) -> None:
    gone = replace(works.live, path=tmp_path / "gone")

    check = check_memory(gone, works.live, Margins(), lambda *_: None)

    assert (check.verdict, check.reason) == ("cannot_tell", "the process of the candidate failed")


def test_peak_is_not_that_of_the_process_that_started_it() -> None:
    ballast = bytearray(os.urandom(1)) * 300_000_000  # resident in this process
    program = "from guard.release.resident import peak_mb; print(peak_mb())"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert peak_mb() > len(ballast) / 1e6
    assert float(done.stdout) < 200

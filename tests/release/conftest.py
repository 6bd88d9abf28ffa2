"""What the tests of the gate share: suites and bundles are made once, and raw scores are kept between gates."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from guard.bundle import Bundle
from guard.calibration import Memory
from guard.release.contender import Contender
from guard.release.gate import Gate, run_gate
from guard.release.margins import Margins
from guard.suites import load_suite
from tests.release.made import draw_suite, make_baseline, write_texts

# Margins that small suites can show, and nothing timed: that has tests of its own.
QUICK = Margins(
    false_refusals=0.02,
    recall=0.05,
    robustness=0.05,
    control_pairs=150,
    altered_pairs=70,
    parity_pairs=20,
    latency=None,
    memory=None,
)


@dataclass(frozen=True, slots=True)
class Works:
    """A folder with a live bundle and suites, where gates are run."""

    folder: Path
    live: Bundle

    async def gate(self, candidate: Bundle, *suites: str, margins: Margins = QUICK) -> Gate:
        """Return what the gate finds about a candidate, beside the live bundle."""
        return await run_gate(
            Contender.of("candidate", candidate, "balanced"),
            Contender.of("baseline", self.live, "balanced"),
            [load_suite(self.folder / name) for name in suites],
            margins,
            memory=Memory(self.folder / "memory"),
        )


@pytest.fixture(scope="session")
def works(tmp_path_factory: pytest.TempPathFactory) -> Works:
    folder = tmp_path_factory.mktemp("works")
    draw_suite(folder / "pairs", n_harmless=170, n_unsafe=50, n_texts=70)
    write_texts(folder / "texts", n_harmless=170, n_unsafe=70)
    write_texts(folder / "everyday", n_harmless=1000, n_unsafe=0)
    draw_suite(folder / "few", n_harmless=24, n_unsafe=24)
    return Works(folder, make_baseline(folder / "live"))

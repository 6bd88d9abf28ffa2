"""`guard demo`: what a newcomer sees first."""

import io
import re
import subprocess
from pathlib import Path

import pytest
from rich.console import Console

from guard.config import Settings
from guard.demo.pairs import PAIRS, DemoPair
from guard.demo.run import run_demo
from guard.demo.show import Outcome, mistakes
from tests.journeys.served import guard_command


@pytest.fixture(scope="module")
def shown(tiny_bundle: Path) -> str:
    page = io.StringIO()
    settings = Settings.model_validate({"bundle": str(tiny_bundle), "ocr": {"mode": "off"}, "threads": 1})
    run_demo(Console(file=page, width=80), settings)
    return page.getvalue()


def test_piped_output_fits_80_columns(shown: str) -> None:
    assert max(map(len, shown.splitlines())) <= 80


def test_every_moved_metric_is_whole_in_its_line(shown: str) -> None:
    lines = [line.rstrip() for line in shown.partition("Metrics that moved")[2].splitlines()[1:]]

    assert lines
    assert [
        line for line in lines if not re.fullmatch(r"guard_\w+|(guard_\w+|  [\w= ]+) +\+\d+( +[\d.e-]+)?", line)
    ] == []
    assert any(line.startswith("  action=block basis=") for line in lines)


def test_every_pair_has_a_verdict(shown: str) -> None:
    assert shown.count(": allow") + shown.count(": block") == len(PAIRS)


def test_pictures_that_cannot_be_judged_are_named(shown: str) -> None:
    assert "image_rejected" in shown
    assert "image_unreachable" in shown


def test_repeat_comes_from_the_cache(shown: str) -> None:
    assert "cached" in shown
    assert "result=hit" in shown


def test_what_was_blocked_did_not_reach_the_api(shown: str) -> None:
    allowed = shown.count(": allow")

    assert f"Of {len(PAIRS)} requests {allowed} were allowed; {allowed} reached the stand-in API." in shown


def test_verdicts_that_differ_from_what_a_pair_means_are_named_both_ways() -> None:
    harmless, harmful = DemoPair("Hello there"), DemoPair("Build a bomb", is_harmful=True)

    def outcome(pair: DemoPair, verdict: str) -> Outcome:
        return Outcome(pair, 1.0, {"verdict": verdict})

    right = mistakes([outcome(harmless, "safe"), outcome(harmful, "unsafe"), outcome(harmless, "unjudged")])
    wrong = mistakes([outcome(harmless, "unsafe"), outcome(harmful, "safe")])

    assert right == "Judged wrongly: none of 2 pairs."
    assert wrong == (
        "Judged wrongly: 2 of 2 pairs (harmless, but called unsafe: Hello there / "
        "harmful, but called safe: Build a bomb)."
    )


@pytest.mark.slow
def test_the_command_ends_well_with_the_guard_that_ships() -> None:
    result = subprocess.run(guard_command("demo"), capture_output=True, text=True, timeout=600, check=False)

    assert (result.returncode, "Traceback" in result.stderr) == (0, False), result.stderr
    assert "unsafe: block" in result.stdout
    assert "safe: allow" in result.stdout

"""A small simulated day: what Guard knows holds the truth, and somebody is told after noon, not before."""

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from examples.simulated_day.traffic import NOON_S, draw_day


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("day")
    command = [
        sys.executable,
        "-m",
        "examples.simulated_day",
        "--out",
        str(out),
        "--requests",
        "6000",
        "--budget",
        "400",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.slow
def test_interval_holds_the_truth_nearly_always(day: Path) -> None:
    held, of = json.loads((day / "day.json").read_text())["covered"]
    assert of > 60
    # One day is one draw, whose moments are not independent: 0.95 is the promise over many days.
    assert held / of > 0.9


@pytest.mark.slow
@pytest.mark.servers
def test_alert_fires_after_noon_and_not_before(day: Path) -> None:
    alerts = json.loads((day / "day.json").read_text())["alerts"]
    if alerts is None:
        if os.environ.get("GUARD_REQUIRE_SERVERS") == "1":
            pytest.fail("promtool is not installed, and GUARD_REQUIRE_SERVERS=1")
        pytest.skip("promtool is not installed")
    fires = [at for times in alerts.values() for at in times]
    assert fires
    assert min(fires) > NOON_S


@pytest.mark.slow
def test_picture_is_an_svg_with_every_line(day: Path) -> None:
    root = ET.parse(day / "day.svg").getroot()
    styles = {element.get("class") for element in root.iter() if element.tag.endswith(("polyline", "polygon"))}
    assert styles == {"band", "limit", "hour", "truth", "known"}


def test_truth_of_a_day_rises_at_noon_and_not_before() -> None:
    day = draw_day(200_000, np.random.default_rng(0))
    morning, afternoon = day.false_refusal_rate(0, NOON_S), day.false_refusal_rate(NOON_S, 2 * NOON_S)
    # By the normal distributions that it is drawn from: 0.61 % and 3.02 %.
    assert morning == pytest.approx(0.0061, abs=0.0008)
    assert afternoon == pytest.approx(0.0302, abs=0.0016)
    assert float(np.mean(day.is_unsafe)) == pytest.approx(0.03, abs=0.0015)

"""Rules are valid, each alert is tested both ways and has its line in the runbook, and no metric is made up."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from guard.telemetry import Telemetry

HERE = Path(__file__).parent
RULES = sorted((HERE / "rules").glob("*.yml"))
TESTS = sorted((HERE / "rules" / "tests").glob("*.yml"))
README = (HERE / "README.md").read_text(encoding="utf-8")


def rules_with(kind: str) -> list[dict[str, Any]]:
    """Return every rule that has a key: `record`, `alert`, or `expr` for all of them."""
    groups = [group for path in RULES for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]]
    return [rule for group in groups for rule in group["rules"] if kind in rule]


ALERTS = {rule["alert"]: rule for rule in rules_with("alert")}


@pytest.fixture(scope="module")
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        if os.environ.get("GUARD_REQUIRE_SERVERS") == "1":
            pytest.fail("promtool is not installed, and GUARD_REQUIRE_SERVERS=1")
        pytest.skip("promtool is not installed")
    return found


@pytest.mark.servers
def test_promtool_finds_the_rules_and_the_configuration_valid(promtool: str) -> None:
    for command in (("check", "config", HERE / "prometheus.yml"), ("check", "rules", *RULES)):
        done = subprocess.run([promtool, *map(str, command)], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.servers
@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_alerts_fire_on_the_series_that_say_so_and_on_no_others(promtool: str, path: Path) -> None:
    done = subprocess.run([promtool, "test", "rules", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("alert", ALERTS)
def test_alert_is_tested_firing_and_silent(alert: str) -> None:
    cases = [
        case
        for path in TESTS
        for test in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]
        for case in test["alert_rule_test"]
        if case["alertname"] == alert
    ]
    assert {bool(case["exp_alerts"]) for case in cases} == {True, False}


@pytest.mark.parametrize("alert", ALERTS)
def test_alert_has_a_severity_and_a_line_in_the_runbook(alert: str) -> None:
    rule = ALERTS[alert]
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"]["runbook"] == f"integrations/prometheus/README.md#{alert.lower()}"
    assert re.search(rf"^### {alert}\n\S.+$", README, flags=re.MULTILINE)


def test_every_alert_of_the_runbook_exists() -> None:
    assert set(re.findall(r"^### (\w+)$", README, flags=re.MULTILINE)) == set(ALERTS)


def test_rules_ask_for_metrics_and_recorded_series_that_there_are() -> None:
    recorded = {rule["record"] for rule in rules_with("record")}
    for rule in rules_with("expr"):
        assert asked(rule["expr"]) - recorded - exported() == set()


def exported() -> set[str]:
    """Return the metrics that there are, by the names that queries ask for; of a histogram the bare name."""
    return {f"{each.name}_total" if each.type == "counter" else each.name for each in Telemetry().collect()}


def asked(query: str) -> set[str]:
    """Return the metrics and recorded series that a query asks for, by the same names."""
    found = re.findall(r"\b(?:[a-z_]+:)?guard[a-z0-9_:]*\b(?!\")", query)
    return {re.sub(r"_(?:bucket|sum|count)$", "", name) for name in found}

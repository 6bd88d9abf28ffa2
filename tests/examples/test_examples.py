"""Every example runs as it stands."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from guard.bundle import Bundle
from guard.config import parse_settings, parse_yaml, read_settings
from guard.core.policies import warnings
from guard.types import Action, Mode
from guard.wiring import choose_policies

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.py"))
POLICIES = EXAMPLES[0].parent / "policies.yaml"
START = POLICIES.with_name("guard.yaml")


@pytest.mark.parametrize("script", EXAMPLES, ids=lambda path: path.name)
def test_example_runs_and_prints_something(script: Path) -> None:
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_configuration_to_start_from_is_valid_with_every_line_of_it() -> None:
    whole = re.sub(r"^# (?=monitor:|admin:)", "", START.read_text(encoding="utf-8"), flags=re.MULTILINE)

    with_the_rest = parse_settings(parse_yaml(whole, source=START.name), source=START.name)

    assert read_settings(START).mode is Mode.SHADOW
    assert with_the_rest.monitor.false_refusal_limits == {"balanced": 0.02}
    assert with_the_rest.admin.token == "env:GUARD_ADMIN_TOKEN"


def test_example_of_policies_is_valid_and_has_three() -> None:
    settings = read_settings(POLICIES)
    policies = choose_policies(settings, Bundle.load("embedded"))

    assert sorted(policies.by_name) == ["adults", "homework_help", "moderators"]
    assert warnings(policies, settings) == ()
    adults, pupils = policies.policies["adults"], policies.policies["homework_help"]
    assert pupils.threshold < adults.threshold
    assert pupils.rules.attacks == adults.rules.attacks
    assert adults.rules.of_category["ethics_and_morality"] is Action.REVIEW
    assert pupils.rules.of_category["ethics_and_morality"] is Action.BLOCK


def test_every_example_is_listed_in_the_readme() -> None:
    readme = (EXAMPLES[0].parent / "README.md").read_text(encoding="utf-8")
    assert [script.name for script in (*EXAMPLES, POLICIES) if f"`{script.name}`" not in readme] == []

"""guard/POLICIES.md says what the policies do: its example is loaded, its table of decisions is recomputed."""

import re
from pathlib import Path

import pytest
import yaml

from guard.config import parse_settings
from guard.core.policies import make_policies
from guard.core.policy import Policy
from guard.manifest import OperatingPoint
from guard.types import ATTACKS, SCENARIOS
from tests.pipeline.guards import BUNDLE

PAGE = (Path(__file__).parents[2] / "guard" / "POLICIES.md").read_text(encoding="utf-8")
EXAMPLE = yaml.safe_load(PAGE.partition("```yaml\n")[2].partition("```")[0])
ROW = re.compile(
    r"^\| (?P<probability>[\d.]+) \| (?P<categories>[^|]*)\| (?P<attacks>[^|]*)"
    r"\| (?P<action>\w+) \| (?P<rule>[\w ]+) \|$",
    re.MULTILINE,
)
ROWS = [match.groupdict() for match in ROW.finditer(PAGE)]


def _kids() -> Policy:
    points = {name: OperatingPoint(threshold=0.44, chosen_on="the page") for name in ("strict", "balanced")}
    manifest = BUNDLE.manifest.model_copy(update={"operating_points": points})
    return make_policies(parse_settings(EXAMPLE, source="page"), manifest, digest=BUNDLE.digest).chosen.policy


def _values(written: str) -> dict[str, float]:
    return {name: float(value) for name, value in re.findall(r"(\w+) ([\d.]+)", written)}


def test_table_has_rows() -> None:
    assert len(ROWS) >= 10


@pytest.mark.parametrize("row", ROWS, ids=lambda row: " ".join(row.values()))
def test_row_of_the_table_is_what_the_policy_decides(row: dict[str, str]) -> None:
    policy = _kids()

    hit = policy.rules.strictest_hit(
        float(row["probability"]),
        policy.threshold,
        dict.fromkeys(SCENARIOS, 0.0) | _values(row["categories"]),
        dict.fromkeys(ATTACKS, 0.0) | _values(row["attacks"]),
    )

    decided = ("allow", "none") if hit is None else (hit.action.value, f"{hit.kind} {hit.name}")
    assert decided == (row["action"], row["rule"])


def test_message_that_the_page_quotes_is_the_one_that_is_printed() -> None:
    quoted = re.findall(r"`guard\.yaml: ([^`]+)`", PAGE)
    with pytest.raises(Exception, match="violance") as raised:
        parse_settings({"policies": {"kids": {"categories": {"violance": "block"}}}}, source="guard.yaml")

    assert quoted == [str(raised.value).removeprefix("guard.yaml: ")]

"""A limit of false refusals that the operator declares is shown as a wish, never as a certificate."""

from pathlib import Path

import pytest

from guard import open_guard
from guard.bundle import Bundle
from guard.config import Settings, parse_settings
from guard.errors import ConfigInvalid
from guard.telemetry import Telemetry
from guard.wiring import choose_policies
from tests.tiny_bundle import make_tiny_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")


def _settings(bundle: Bundle, **limits: float) -> Settings:
    return Settings.model_validate(
        {
            "bundle": str(bundle.path),
            "policies": {"shop": {"threshold": 0.4}},
            "monitor": {"false_refusal_limits": limits},
        }
    )


async def test_declared_limit_is_exported_beside_what_is_certified_and_not_as_it(bundle: Bundle) -> None:
    telemetry = Telemetry()
    guard = open_guard(_settings(bundle, balanced=0.01, shop=0.03), telemetry=telemetry)
    await guard.aclose()

    value = telemetry.registry.get_sample_value
    assert value("guard_declared_false_refusal_limit_ratio", {"policy": "balanced"}) == 0.01
    assert value("guard_declared_false_refusal_limit_ratio", {"policy": "shop"}) == 0.03
    assert value("guard_certified_false_refusal_ratio", {"policy": "balanced", "kind": "limit"}) is None


async def test_without_a_declared_limit_there_is_no_series_of_one(bundle: Bundle) -> None:
    telemetry = Telemetry()
    guard = open_guard(_settings(bundle), telemetry=telemetry)
    await guard.aclose()

    page = telemetry.expose()[0].decode()
    assert "\nguard_declared_false_refusal_limit_ratio{" not in page


def test_limit_of_a_policy_that_does_not_judge_stops_the_start(bundle: Bundle) -> None:
    with pytest.raises(ConfigInvalid) as raised:
        choose_policies(_settings(bundle, balanecd=0.01), bundle)

    assert str(raised.value) == (
        "monitor.false_refusal_limits.balanecd: no policy of this name judges (balanced, shop do)"
    )


@pytest.mark.parametrize("limit", [0, 1, -0.01, 1.5, "2 %", True])
def test_limit_that_nothing_could_keep_or_break_is_refused(limit: object) -> None:
    with pytest.raises(ConfigInvalid) as raised:
        parse_settings({"monitor": {"false_refusal_limits": {"balanced": limit}}}, source="test")

    assert "monitor.false_refusal_limits.balanced" in str(raised.value)


def test_config_check_names_a_limit_of_no_policy(tmp_path: Path, bundle: Bundle) -> None:
    from typer.testing import CliRunner

    from guard.cli import app

    file = tmp_path / "guard.yaml"
    file.write_text(f"bundle: {bundle.path}\nmonitor: {{false_refusal_limits: {{strict: 0.02}}}}\n", encoding="utf-8")
    found = CliRunner().invoke(app, ["config", "check", str(file)])

    assert found.exit_code != 0
    assert "monitor.false_refusal_limits.strict" in f"{found.output}{found.exception}"

"""Settings from a file, the environment and the command line."""

from pathlib import Path

import pytest

from guard.errors import ConfigInvalid
from guard.settings_sources import load_settings
from guard.types import Mode


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "guard.yaml"
    path.write_text("port: 1\nmode: shadow\nlimits: {max_inflight: 3, max_head_bytes: 4096}\npolicy: strict\n")
    return path


def test_environment_wins_over_the_file_and_the_command_line_over_both(file: Path) -> None:
    environment = {"GUARD__PORT": "2", "GUARD__MODE": "off", "GUARD__LIMITS__MAX_INFLIGHT": "4"}

    settings = load_settings(file, environment, {"port": 3, "upstream": "http://api.test"})

    assert (settings.port, settings.mode) == (3, Mode.OFF)
    assert (settings.limits.max_inflight, settings.limits.max_head_bytes) == (4, 4096)
    assert (settings.policy.name, str(settings.upstream.url)) == ("strict", "http://api.test/")


def test_environment_alone_is_enough() -> None:
    environment = {"GUARD__UPSTREAM__URL": "http://api.test", "GUARD__FETCH__PORTS": "[80, 8443]"}

    settings = load_settings(None, environment)

    assert str(settings.upstream.url) == "http://api.test/"
    assert settings.fetch.ports == (80, 8443)


def test_other_variables_are_none_of_guards(file: Path) -> None:
    """Kubernetes sets GUARD_PORT to `tcp://10.0.0.1:80` beside a service of the name guard."""
    assert load_settings(file, {"GUARD_PORT": "tcp://10.0.0.1:80", "GUARD_DATA": "/data"}).port == 1


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"GUARD__PROT": "1"}, "and the environment: prot: "),
        ({"GUARD__PORT": "many"}, "and the environment: port: "),
        ({"GUARD__PORT": "["}, "GUARD__PORT: not YAML"),
        ({"GUARD__": "1"}, "GUARD__: names no setting"),
        ({"GUARD__LIMITS__": "1"}, "GUARD__LIMITS__: names no setting"),
        ({"GUARD__LIMITS": "5", "GUARD__LIMITS__MAX_INFLIGHT": "1"}, "GUARD__LIMITS__MAX_INFLIGHT: another variable"),
        ({"GUARD__PORT": "1", "GUARD__port": "2"}, "one that another variable names too"),
        ({"GUARD__POLICY__THRESHOLD": "0.3"}, "GUARD__POLICY: the file gives no section here"),
    ],
)
def test_variable_that_cannot_be_used_is_named(file: Path, environment: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigInvalid) as raised:
        load_settings(file, environment)

    assert said in str(raised.value)


def test_file_that_is_no_mapping_stays_wrong_with_an_environment(tmp_path: Path) -> None:
    file = tmp_path / "guard.yaml"
    file.write_text("- 1\n")

    with pytest.raises(ConfigInvalid, match="top level"):
        load_settings(file, {"GUARD__PORT": "1"})


def test_file_that_is_not_utf_8_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "guard.yaml"
    file.write_bytes(b"host: \xff\n")

    with pytest.raises(ConfigInvalid, match=r"guard\.yaml: not YAML"):
        load_settings(file, {})

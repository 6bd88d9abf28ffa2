from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from guard.cli import app
from guard.config import parse_settings
from guard.errors import ConfigInvalid

_RUNNER = CliRunner()


def test_valid_file_is_said_to_be_valid(tmp_path: Path) -> None:
    file = tmp_path / "guard.yaml"
    file.write_text("mode: shadow\nlimits: {max_inflight: 8}\n")

    result = _RUNNER.invoke(app, ["config", "check", str(file)])

    assert (result.exit_code, result.output) == (0, f"{file}: valid\n")


def test_valid_file_is_shown_with_its_defaults_as_json(tmp_path: Path) -> None:
    file = tmp_path / "guard.yaml"
    file.write_text("mode: shadow\n")

    result = _RUNNER.invoke(app, ["config", "check", str(file), "--json"])

    shown = orjson.loads(result.output)
    assert (shown["mode"], shown["policy"]["on_error"]) == ("shadow", "block")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nonsense: 1", "nonsense"),
        ("port: x", "port"),
        ("- 1", "top level"),
        ("a: [", "not YAML"),
        ("port: 1\nport: 2", "twice"),
    ],
)
def test_invalid_file_names_file_and_key(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "guard.yaml"
    file.write_text(text)

    result = _RUNNER.invoke(app, ["config", "check", str(file)])

    assert isinstance(result.exception, ConfigInvalid)
    assert str(result.exception).startswith(f"{file}: ")
    assert said in str(result.exception)


def test_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    result = _RUNNER.invoke(app, ["config", "check", str(tmp_path / "no.yaml")])

    assert str(result.exception) == f"{tmp_path / 'no.yaml'}: No such file or directory"


def test_schema_describes_every_setting() -> None:
    result = _RUNNER.invoke(app, ["config", "schema"])

    assert set(orjson.loads(result.output)["properties"]) == set(parse_settings({}, source="test").model_dump())

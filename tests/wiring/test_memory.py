"""Where decisions are kept: what the settings and the environment say, and what happens where that cannot be."""

import logging
from pathlib import Path
from typing import Any

import pytest

from guard.cli.serve import _settings
from guard.config import Settings
from guard.errors import ConfigInvalid, StoreUnavailable
from guard.store.memory import Memory
from guard.store.opening import address_of
from guard.telemetry import Telemetry
from guard.wiring import open_memory


def _open(environment: dict[str, str], **store: Any) -> Memory | None:
    memory = open_memory(Settings.model_validate({"store": store}), Telemetry(), environment)
    if memory is not None:
        memory.store.close()
    return memory


def test_settings_made_by_hand_keep_nothing() -> None:
    assert _open({}) is None


@pytest.mark.parametrize("said", [{"url": "none"}, {"url": "default", "audit": "off"}])
def test_nothing_is_kept_where_that_is_said(tmp_path: Path, said: dict[str, str]) -> None:
    assert _open({"XDG_STATE_HOME": str(tmp_path)}, **said) is None
    assert list(tmp_path.iterdir()) == []


def test_guard_that_serves_keeps_decisions_in_the_state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GUARD__STORE__URL", "GUARD__PORT"):
        monkeypatch.delenv(name, raising=False)
    assert _settings(None).store.url == "default"
    assert _settings(None, store="none").store.url == "none"

    for environment in ({"XDG_STATE_HOME": str(tmp_path)}, {"HOME": str(tmp_path)}):
        memory = _open(environment, url="default")
        assert memory is not None
    assert (tmp_path / "guard" / "guard.db").is_file()
    assert (tmp_path / ".local" / "state" / "guard" / "guard.db").is_file()


def test_user_without_a_home_is_served_and_warned(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", fail)

    assert _open({}, url="default") is None
    assert "no home folder" in caplog.text


def test_relative_state_folder_is_none_for_the_store_and_for_the_key(tmp_path: Path) -> None:
    environment = {"XDG_STATE_HOME": "elsewhere", "HOME": str(tmp_path)}

    assert address_of("default", environment) == f"sqlite:///{tmp_path}/.local/state/guard/guard.db"


def test_state_folder_that_cannot_be_written_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    nowhere = {"XDG_STATE_HOME": str(tmp_path / "file")}

    with caplog.at_level(logging.WARNING):
        assert _open(nowhere, url="default") is None
    assert "decisions are not kept, since nobody said where (store.url, --store)" in caplog.text


def test_store_that_was_named_or_is_required_stops_the_start_where_it_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable):
        _open({"XDG_STATE_HOME": str(tmp_path / "file")}, url="default", audit="required")
    with pytest.raises(StoreUnavailable):
        _open({}, url=str(tmp_path / "file" / "guard.db"))


def test_address_may_stand_in_the_environment_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "address").write_text(f"sqlite:///{tmp_path / 'one.db'}\n")

    assert _open({}, url=f"file:{tmp_path / 'address'}") is not None
    assert _open({"STORE": str(tmp_path / "two.db")}, url="env:STORE") is not None
    assert {path.name for path in tmp_path.glob("*.db")} == {"one.db", "two.db"}
    with pytest.raises(ConfigInvalid, match=r"store\.url: the environment has no STORE"):
        _open({}, url="env:STORE")


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"content": {"keep": "all", "key": "env:SHORT"}}, "store.content.key: 5 bytes, at least 32"),
        ({"subject_key": "env:SHORT"}, "store.subject_key: 5 bytes, at least 32"),
        ({"subject_key": "env:NOBODY"}, "store.subject_key: the environment has no NOBODY"),
    ],
)
def test_secret_that_is_too_short_or_not_there_stops_the_start(
    tmp_path: Path, said: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigInvalid) as failure:
        _open({"SHORT": "short"}, url=str(tmp_path / "guard.db"), **said)
    assert str(failure.value).startswith(message)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"store": {"content": {"keep": "all"}}}, "needs store.content.key"),
        ({"review": {"allowed": 0}}, "what is never drawn is in no estimate"),
        ({"store": {"urll": "x"}}, "Extra inputs"),
    ],
)
def test_settings_that_contradict_themselves_are_refused(document: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Settings.model_validate(document)

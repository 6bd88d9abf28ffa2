"""SIGHUP: what is valid is taken, what is not changes nothing, and the log says which."""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest

from guard.bundle import Bundle
from guard.cli.serve import _settings
from guard.config import Settings
from guard.errors import ConfigInvalid
from guard.server.app import create_app
from guard.server.reload import RELOADED, Reload, needs_restart
from guard.server.run import on_hangup
from guard.types import Mode
from tests.fakes import FakeUpstream
from tests.server.house import until
from tests.tiny_bundle import make_tiny_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")


class Site:
    """A served configuration file."""

    def __init__(self, bundle: Bundle, file: Path) -> None:
        self._bundle, self._file = bundle, file
        self.write("")
        first = self._read()
        self.app = create_app(first, upstream=FakeUpstream())
        self._reload = Reload(self._read, first)

    def write(self, text: str) -> None:
        self._file.write_text(f'ocr: {{mode: "off"}}\nthreads: 1\n{text}')

    async def reload(self) -> bool:
        return await self._reload(self.app.state.control.reload)

    async def policy(self) -> tuple[str, float]:
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://guard") as client:
            verdict = (await client.post("/guard/classify", json={"text": "hello"})).json()
        return verdict["policy"], verdict["threshold"]

    def _read(self) -> Settings:
        return _settings(self._file, bundle=str(self._bundle.path))


@pytest.fixture
async def site(bundle: Bundle, tmp_path: Path) -> AsyncIterator[Site]:
    made = Site(bundle, tmp_path / "guard.yaml")
    yield made
    await made.app.state.live.aclose()


async def test_policy_of_the_file_judges_after_a_reload_with_the_same_graphs(site: Site) -> None:
    model = site.app.state.live.current.model
    site.write("policy: kids\npolicies: {kids: {threshold: 0.25}}\n")

    assert await site.policy() == ("balanced", 0.5)
    assert await site.reload()
    assert await site.policy() == ("kids", 0.25)
    assert site.app.state.live.current.model is model
    assert not model.is_retired


async def test_mode_can_be_reloaded(site: Site) -> None:
    site.write("mode: shadow\n")

    await site.reload()

    assert site.app.state.live.current.entrance.mode == "shadow"


@pytest.mark.parametrize(
    "text",
    [
        "policy: [",
        "polcy: strict",
        "policy: no-such-point",
        "policies: {idle: {unsafe_action: allow}}",
        "admin: {token: 'env:GUARD_TEST_NOT_THERE'}",
    ],
)
async def test_what_is_not_valid_changes_nothing_and_is_said(
    site: Site, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    site.write(text)

    assert not await site.reload()
    assert await site.policy() == ("balanced", 0.5)
    (line,) = [record for record in caplog.records if record.name == "guard.reload"]
    assert line.levelno == logging.ERROR
    assert "the old one stays" in line.getMessage()


async def test_file_that_went_away_changes_nothing(site: Site) -> None:
    site._file.unlink()

    assert not await site.reload()
    assert await site.policy() == ("balanced", 0.5)


async def test_keys_that_need_a_restart_are_named_until_they_are_as_before(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    for text in ("port: 9\nlimits: {max_inflight: 3}\npolicy: strict\n", "port: 9\npolicy: strict\n", ""):
        site.write(text)
        await site.reload()

    warned = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [line for line in warned if "next start" in line] == [
        "these changes take effect at the next start: port, limits",
        "these changes take effect at the next start: port",
    ]


async def test_reload_keeps_a_bundle_that_was_swapped_in(site: Site, tmp_path: Path) -> None:
    other = make_tiny_bundle(tmp_path / "other", seed=1)
    live = site.app.state.live
    await site.app.state.control.swap(str(other.path))
    site.write("policy: strict\n")

    assert await site.reload()
    assert live.current.guard.bundle.digest == other.digest
    assert await site.policy() == ("strict", 0.3)


@pytest.mark.parametrize("is_swap_first", [True, False])
async def test_swap_and_reload_at_once_are_both_in_force(site: Site, tmp_path: Path, is_swap_first: bool) -> None:
    other = make_tiny_bundle(tmp_path / "other", seed=1)
    site.write("mode: shadow\npolicy: strict\n")
    control, live = site.app.state.control, site.app.state.live
    changes = [control.swap(str(other.path)), site.reload()]

    await asyncio.gather(*(changes if is_swap_first else reversed(changes)))

    now = live.current
    assert (now.settings.bundle, now.guard.bundle.digest) == (str(other.path), other.digest)
    assert (now.settings.mode, now.guard.policy.name) == (Mode.SHADOW, "strict")


async def test_reloads_at_once_come_one_after_another() -> None:
    under_way, most = 0, 0

    async def take(read: Settings) -> str:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.01)
        under_way -= 1
        return "0" * 64

    reload = Reload(Settings, Settings())
    assert await asyncio.gather(*(reload(take) for _ in range(3))) == [True] * 3
    assert most == 1


async def test_settings_that_cannot_be_read_are_not_applied() -> None:
    def read() -> Settings:
        raise ConfigInvalid("broken")

    async def take(read: Settings) -> str:
        raise AssertionError("nothing to apply")

    assert not await Reload(read, Settings())(take)


async def test_reload_that_fails_unforeseen_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise OSError("no more files")

    on_hangup(fail)
    try:
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: bool(caplog.records))
    finally:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)

    (line,) = caplog.records
    assert (line.levelno, line.getMessage()) == (logging.ERROR, "what SIGHUP asks for failed")
    assert line.exc_info is not None
    assert line.exc_info[0] is OSError


def test_every_key_is_either_reloaded_or_needs_a_restart() -> None:
    changed: Callable[[str], Settings] = lambda key: Settings().model_copy(update={key: object()})  # noqa: E731

    for key in Settings.model_fields:
        assert needs_restart(Settings(), changed(key)) == (() if key in RELOADED else (key,))

"""Steps of a change in one process: what nobody waits for any longer is given up, and never judges."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from guard.config import Settings
from guard.errors import SwapRefused
from guard.server.app import create_app
from guard.server.changes import Changes
from guard.server.control import Alone
from guard.server.live import Live
from guard.wiring import Opened, open_unannounced
from tests.fakes import FakeUpstream
from tests.server.house import until
from tests.tiny_bundle import make_tiny_bundle


class Place:
    """An application whose bundles open when they may."""

    def __init__(self, settings: Settings) -> None:
        self.may_open = threading.Event()
        self.may_open.set()
        self.opening = 0
        self.opened: list[Opened] = []
        self.closed: list[Opened] = []
        app = create_app(settings, upstream=FakeUpstream(), open_=self._open, control=self._control)
        self.live: Live = app.state.live
        self.changes: Changes

    def _control(self, changes: Changes, live: Live) -> Alone:
        self.changes = changes
        return Alone(changes, live, pid=1)

    def _open(self, settings: Settings, telemetry: Any) -> Opened:
        self.opening += 1
        assert self.may_open.wait(10)
        opened = open_unannounced(settings, telemetry)
        close = opened.guard.aclose

        async def aclose() -> None:
            self.closed.append(opened)
            await close()

        opened.guard.aclose = aclose  # type: ignore[method-assign]
        self.opened.append(opened)
        return opened


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[tuple[Place, Settings]]:
    first, second = make_tiny_bundle(tmp_path / "first"), make_tiny_bundle(tmp_path / "second", seed=1)
    given = {"bundle": str(first.path), "ocr": {"mode": "off"}, "threads": 1}
    made = Place(Settings.model_validate(given))
    yield made, Settings.model_validate(given | {"bundle": str(second.path)})
    made.may_open.set()
    await made.live.aclose()


async def test_bundle_that_opens_after_it_was_given_up_is_closed_and_never_judges(
    place: tuple[Place, Settings],
) -> None:
    at, second = place
    before = at.live.current
    at.may_open.clear()
    preparing = asyncio.create_task(at.changes.prepare(second, reopens=True))
    await until(lambda: at.opening == 2)

    at.changes.revert()
    at.may_open.set()

    with pytest.raises(SwapRefused, match="given up"):
        await preparing
    await until(lambda: at.closed == at.opened[1:])
    with pytest.raises(SwapRefused, match="nothing is prepared"):
        at.changes.commit()
    assert at.live.current is before


async def test_no_second_bundle_opens_beside_one_that_was_given_up(place: tuple[Place, Settings]) -> None:
    at, second = place
    at.may_open.clear()
    given_up = asyncio.create_task(at.changes.prepare(second, reopens=True))
    await until(lambda: at.opening == 2)
    at.changes.revert()

    next_ = asyncio.create_task(at.changes.prepare(second, reopens=True))
    await asyncio.sleep(0.05)
    at_once = at.opening
    at.may_open.set()
    digest = await next_
    at.changes.commit()

    assert at_once == 2
    assert at.live.current.guard.bundle.digest == digest
    with pytest.raises(SwapRefused):
        await given_up

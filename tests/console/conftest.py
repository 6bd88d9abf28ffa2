import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.console.browsing import CHROMIUM
from tests.console.site import Site
from tests.console.traffic import fill, make_traffic

Builder = Callable[..., Site]


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
async def build(tmp_path: Path) -> AsyncIterator[Builder]:
    """Builds Guards that are asked in memory."""
    built: list[Site] = []

    def one(**settings: Any) -> Site:
        built.append(Site(tmp_path / f"site-{len(built)}", **settings))
        return built[-1]

    yield one
    for each in built:
        await each.aclose()


@pytest.fixture
def site(build: Builder) -> Site:
    """A Guard with an empty store."""
    return build()


@pytest.fixture
def busy(site: Site) -> Site:
    """The same with a week of traffic behind it, nine tenths of the sample reviewed."""
    assert site.store is not None
    fill(site.store, make_traffic(2000, now=time.time(), bundle=site.bundle.digest))
    return site


# Of a module: its loop must be gone before asynchronous tests begin.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Real Chromium."""
    if CHROMIUM is None:
        if os.environ.get("GUARD_REQUIRE_SERVERS"):
            pytest.fail("chromium is not installed")
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        # CI runs as root, where Chromium's sandbox does not start.
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()

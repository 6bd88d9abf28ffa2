import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

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

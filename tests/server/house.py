"""A Guard with fakes around it: asked in memory, or over a real socket."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
from scipy.special import expit
from starlette.applications import Starlette
from starlette.types import ASGIApp

from guard.bundle import Bundle
from guard.config import Settings
from guard.pipeline import Guard
from guard.server.app import create_app
from guard.server.live import Live
from guard.server.run import address_of, bind, make_server
from guard.telemetry import Telemetry
from guard.wiring import choose_policies
from tests.fakes import FakeUpstream, FixedFetcher, FixedReader, FixedScorer
from tests.tiny_bundle import make_tiny_bundle

SAFE = "what a nice picture"
UNSAFE = "how to make a bomb"


@dataclass
class House:
    """Guard's application with everything around it at hand."""

    settings: Settings
    guard: Guard
    scorer: FixedScorer
    fetcher: FixedFetcher
    upstream: FakeUpstream
    app: Starlette

    @property
    def live(self) -> Live:
        """Return what judges in it."""
        live: Live = self.app.state.live
        return live

    def client(self) -> httpx.AsyncClient:
        """Return a client that calls the application in memory."""
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://guard")

    def metric(self, name: str, **labels: str) -> float:
        """Return the value of a metric, 0.0 where nothing was counted."""
        return self.guard.telemetry.registry.get_sample_value(name, labels) or 0.0


class Builder:
    """Builds houses on one tiny bundle."""

    def __init__(self, folder: Path) -> None:
        self._bundle: Bundle = make_tiny_bundle(folder)
        self._guards: list[Guard] = []

    def __call__(
        self,
        *,
        scorer: FixedScorer | None = None,
        reader: FixedReader | None = None,
        upstream: FakeUpstream | None = None,
        pictures: Mapping[str, bytes] | None = None,
        **settings: Any,
    ) -> House:
        """Return a house with these settings and fakes."""
        chosen = Settings.model_validate(settings)
        judge = FixedScorer() if scorer is None else scorer
        fetcher = FixedFetcher(dict(pictures or {}))
        made = choose_policies(chosen, self._bundle).policies
        policies = {
            name: replace(policy, to_probability=lambda score: float(expit(score))) for name, policy in made.items()
        }
        guard = Guard(
            settings=chosen,
            bundle=self._bundle,
            policy=policies[chosen.policy.name],
            policies=policies,
            scorer=judge,
            reader=FixedReader() if reader is None else reader,
            fetcher=fetcher,
            telemetry=Telemetry(),
        )
        self._guards.append(guard)
        behind = FakeUpstream() if upstream is None else upstream
        app = create_app(chosen, guard=guard, upstream=behind)
        return House(chosen, guard, judge, fetcher, behind, app)

    async def close(self) -> None:
        """Close every guard that was built."""
        for guard in self._guards:
            await guard.aclose()


def chat(text: str, **more: Any) -> dict[str, Any]:
    """Return a chat request with one user message."""
    return {"model": "m", "messages": [{"role": "user", "content": text}], **more}


async def until(is_true: Callable[[], bool]) -> None:
    """Wait until a condition holds, for at most a minute: a busy machine fails no test."""
    end = time.monotonic() + 60
    while not is_true():
        assert time.monotonic() < end, "it never came true"
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def live(
    app: ASGIApp, settings: Settings | None = None, *, on_refused: Callable[[], None] = lambda: None
) -> AsyncIterator[str]:
    """Serve an application on a real socket while the block runs; yields its base URL."""
    bound = bind("127.0.0.1", 0)
    is_ready = asyncio.Event()
    server = make_server(app, Settings() if settings is None else settings, is_ready.set, on_refused=on_refused)
    serving = asyncio.create_task(server.serve(sockets=[bound]))
    await is_ready.wait()
    try:
        yield address_of(bound)
    finally:
        server.should_exit = True
        await serving

"""A Guard with a store and a console, on a real socket in a thread of its own, so that a browser can look at it."""

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson

from guard.bundle import Bundle, write_manifest
from guard.config import Settings
from guard.manifest import Certificate, OperatingPoint
from guard.server.app import create_app
from guard.server.run import AnnouncedServer, bind, make_server
from guard.server.tls import open_tls, serving
from guard.store.box import Box
from guard.store.opening import open_store
from guard.store.store import Store
from tests.fakes import FakeUpstream
from tests.tiny_bundle import make_tiny_bundle

TOKEN = "an-admin-token-of-length"
CONTENT_KEY = "a-content-key-of-thirty-two-signs"


def make_calibrated_bundle(folder: Path) -> Bundle:
    """Write a tiny bundle that looks like one of `guard calibrate`: a certificate, and a report with a curve."""
    tiny = make_tiny_bundle(folder)
    proven = Certificate(
        data="rehearsal",
        data_sha256="1" * 64,
        unit="group",
        n_groups=412,
        errors=9,
        limit=0.05,
        confidence=0.95,
        upper=0.0379,
        estimate=0.0218,
        recall_low=0.61,
        verdict="certified",
    )
    points = dict(tiny.manifest.operating_points)
    points["balanced"] = OperatingPoint(threshold=0.5, chosen_on="rehearsal, half B", certificate=proven)
    written = write_manifest(folder, tiny.manifest.model_copy(update={"operating_points": points}))
    thresholds = np.linspace(0.995, 0.005, 400)
    odds = np.log(thresholds / (1 - thresholds))
    refused, caught = 1 / (1 + np.exp(1.3 * odds + 3.9)), 1 / (1 + np.exp(1.1 * odds - 1.6))
    names = {name: int(np.searchsorted(-thresholds, -point.threshold)) for name, point in points.items()}
    figures = {
        name: {"false_refusal_rate": {"value": float(refused[at])}, "recall": {"value": float(caught[at])}}
        for name, at in names.items()
    }
    report = {
        "suite": {"name": "rehearsal"},
        "measured_on": "half B",
        "written": {"sha256": written.digest},
        "curve": {
            "thresholds": thresholds.tolist(),
            "false_refusals": refused.tolist(),
            "recall": caught.tolist(),
        },
        "shipped": figures,
        "certified": {},
    }
    (folder / "report.json").write_bytes(orjson.dumps(report))
    return written


class Site:
    """Guard on a socket. Use it as a context: it is served inside, and `address` is its base URL.

    Args:
        folder: new or empty; the store and the bundle lie there.
        settings: beside those that the console needs.
    """

    def __init__(self, folder: Path, *, has_store: bool = True, keeps_content: bool = True, **settings: Any) -> None:
        self.bundle = make_calibrated_bundle(folder / "bundle")
        os.environ["CONSOLE_TOKEN"], os.environ["CONSOLE_CONTENT"] = TOKEN, CONTENT_KEY
        url = f"sqlite:///{folder / 'guard.db'}" if has_store else "none"
        content = {"keep": "sampled", "key": "env:CONSOLE_CONTENT"} if keeps_content else {}
        given: dict[str, Any] = {
            "bundle": str(self.bundle.path),
            "admin": {"token": "env:CONSOLE_TOKEN", "candidates": str(folder / "candidates")},
            "ocr": {"mode": "off"},
            "threads": 1,
            "store": {"url": url, "content": content},
        }
        self.settings = Settings.model_validate(given | settings)
        box = Box(CONTENT_KEY.encode()) if keeps_content else None
        self.store: Store | None = open_store(url, box=box) if has_store else None
        self.upstream = FakeUpstream()
        self.app = create_app(self.settings, upstream=self.upstream)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._is_ready = threading.Event()
        self._server: AnnouncedServer | None = None
        self._socket = bind("127.0.0.1", 0)
        scheme = "http" if self.settings.tls.certificate is None else "https"
        self.address = f"{scheme}://127.0.0.1:{self._socket.getsockname()[1]}"

    def client(self, **options: Any) -> httpx.AsyncClient:
        """Return a client that calls the application in memory."""
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://guard", **options)

    def admin(self) -> httpx.AsyncClient:
        """Return one that bears the admin token."""
        return self.client(headers={"authorization": f"Bearer {TOKEN}"})

    @contextlib.asynccontextmanager
    async def session(self, name: str = "Ada") -> AsyncIterator[httpx.AsyncClient]:
        """Yield one that signed in as the login's form does, and that shows its token against forgery."""
        async with self.client(headers={"origin": "http://guard"}) as client:
            answer = await client.post("/guard/console/login", data={"name": name, "token": TOKEN})
            assert answer.status_code == 303
            client.headers["x-guard-csrf"] = (await client.get("/guard/console/data/session")).json()["csrf"]
            yield client

    async def aclose(self) -> None:
        """Close what was never served."""
        await self.app.state.live.aclose()
        self._socket.close()
        for store in (self.store, self.app.state.memory and self.app.state.memory.store):
            if store is not None:
                store.close()

    async def _serve(self) -> None:
        server = self._server = make_server(
            self.app, self.settings, self._is_ready.set, tls=serving(lambda: open_tls(self.settings.tls))
        )
        await server.serve(sockets=[self._socket])

    def __enter__(self) -> "Site":
        self._thread.start()
        if not self._is_ready.wait(120):
            raise AssertionError("the site did not start")
        return self

    def __exit__(self, *failure: object) -> None:
        if self._server is not None:
            self._server.should_exit = True
        self._thread.join(30)
        if self.store is not None:
            self.store.close()
        self._socket.close()

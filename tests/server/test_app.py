"""The application as a whole: how it is mounted, what it closes, what it does not speak."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.routing import Mount

from guard.config import Settings, UpstreamSettings
from guard.server import app as app_module
from guard.server.app import create_app
from guard.telemetry import Telemetry
from guard.wiring import Opened
from tests.fakes import FakeUpstream
from tests.server.house import SAFE, Builder, chat


async def test_mounted_below_a_path_the_upstream_sees_its_own_paths(build: Builder) -> None:
    house = build()
    outer = Starlette(routes=[Mount("/llm", house.app)])

    async with httpx.AsyncClient(transport=httpx.ASGITransport(outer), base_url="http://app") as client:
        chatted = await client.post("/llm/v1/chat/completions", json=chat(SAFE))
        classified = await client.post("/llm/guard/classify", json={"text": SAFE})

    assert (chatted.status_code, classified.status_code) == (200, 200)
    assert [request.path for request in house.upstream.sent] == ["/v1/chat/completions"]


async def test_websocket_is_closed_unaccepted(build: Builder) -> None:
    house = build()
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/v1/realtime", "headers": [], "query_string": b"", "root_path": ""}
    await house.app(scope, receive, send)

    assert [message["type"] for message in sent] == ["websocket.close"]


async def _live_and_end(app: Starlette) -> None:
    async with app.router.lifespan_context(app):
        pass


async def test_what_was_given_stays_open(build: Builder) -> None:
    house = build()

    await _live_and_end(create_app(house.settings, guard=house.guard, upstream=house.upstream))

    assert (house.scorer.is_closed, house.upstream.is_closed) == (False, False)


async def test_what_was_opened_here_is_closed_here(build: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    house = build()

    def opened_guard(settings: Settings, telemetry: Telemetry) -> Opened:
        return Opened.of(house.guard)

    def opened_upstream(settings: UpstreamSettings) -> FakeUpstream:
        return house.upstream

    monkeypatch.setattr(app_module, "open_upstream", opened_upstream)
    settings = Settings.model_validate({"upstream": {"url": "http://api.example/v1"}})

    await _live_and_end(create_app(settings, open_=opened_guard))

    assert (house.scorer.is_closed, house.upstream.is_closed) == (True, True)


async def test_what_remembers_is_ended_although_an_upstream_cannot_be_closed(
    build: Builder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    house = build()

    async def fail() -> None:
        raise RuntimeError("the connection is gone")

    monkeypatch.setattr(house.upstream, "close", fail)
    monkeypatch.setattr(app_module, "open_upstream", lambda settings: house.upstream)
    settings = Settings.model_validate(
        {"upstream": {"url": "http://api.example/v1"}, "store": {"url": f"sqlite:///{tmp_path / 'guard.db'}"}}
    )
    app = create_app(settings, guard=house.guard)
    ended: list[bool] = []
    stop = app.state.memory.stop
    monkeypatch.setattr(app.state.memory, "stop", lambda: ended.append(stop() is None))

    with pytest.raises(RuntimeError, match="the connection is gone"):
        await _live_and_end(app)

    assert ended == [True]


def test_overlap_and_a_required_audit_exclude_each_other() -> None:
    with pytest.raises(ValidationError, match=r"overlap: true sends a request on before its decision"):
        Settings.model_validate({"overlap": True, "store": {"url": "none", "audit": "required"}})

"""Answers about which nothing can be kept, where the audit is required: withheld, and said to be so."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from guard.errors import StoreFull
from guard.store.made import Made
from guard.store.memory import Memory
from guard.types import Direction
from tests.fakes import FakeUpstream
from tests.server.house import SAFE, UNSAFE, Builder, House, chat, live

CHAT = "/v1/chat/completions"


def _document(text: str) -> FakeUpstream:
    said = f'{{"choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}"}}}}]}}'
    return FakeUpstream(headers={"content-type": "application/json"}, body=[said.encode()])


def _stream(text: str) -> FakeUpstream:
    said = f'data: {{"choices":[{{"index":0,"delta":{{"content":"{text}"}}}}]}}\n\n'
    return FakeUpstream(headers={"content-type": "text/event-stream"}, body=[said.encode(), b"data: [DONE]\n\n"])


def _house(build: Builder, folder: Path, upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch) -> House:
    """Return a house whose store takes decisions about requests, and none about answers."""
    store = {"url": str(folder / "guard.db"), "audit": "required"}
    house = build(upstream=upstream, judge_output=True, store=store)
    memory: Memory = house.app.state.memory
    adding = memory.store.add

    def add(made: list[Made], content: Mapping[str, Any] | None = None) -> None:
        if any(one.decision.direction is Direction.OUTPUT for one in made):
            raise StoreFull("no room left")
        adding(made, content or {})

    monkeypatch.setattr(memory.store, "add", add)
    return house


@pytest.mark.parametrize("text", [SAFE, UNSAFE])
async def test_whole_answer_that_cannot_be_kept_is_withheld_and_not_asked_for_again(
    build: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    house = _house(build, tmp_path, _document(text), monkeypatch)
    house.app.state.memory.start()

    async with house.client() as client:
        answer = await client.post(CHAT, json=chat(SAFE))
    house.app.state.memory.stop()

    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "audit_unavailable")
    assert (answer.headers["x-guard-verdict"], answer.headers["x-guard-action"]) == ("unjudged", "block")
    assert answer.headers["x-should-retry"] == "false"
    assert "retry-after" not in answer.headers
    assert text not in answer.json()["error"]["message"]
    assert house.metric("guard_rejected_total", reason="audit_unavailable") == 1


async def test_stream_whose_block_cannot_be_kept_ends_with_an_event_that_says_so(
    build: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = _house(build, tmp_path, _stream(UNSAFE), monkeypatch)
    shown = bytearray()

    async with live(house.app) as url, httpx.AsyncClient(base_url=url) as client:
        with contextlib.suppress(httpx.RemoteProtocolError):  # the body breaks off: nobody takes it for whole
            async with client.stream("POST", CHAT, json=chat(SAFE, stream=True)) as answer:
                async for part in answer.aiter_bytes():
                    shown += part

    assert b'"code":"audit_unavailable"' in shown
    assert UNSAFE.encode() not in shown
    assert house.metric("guard_rejected_total", reason="audit_unavailable") == 1

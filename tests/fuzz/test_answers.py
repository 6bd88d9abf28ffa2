"""Whatever an LLM API answers: it is passed on judged, refused, or ended as broken; Guard neither fails nor hangs."""

import asyncio
import logging
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from starlette.types import ASGIApp, Message

from guard.config import Settings
from guard.server.app import create_app
from guard.wiring import open_guard
from tests.clients.api.app import LlmApi
from tests.fakes import FakeUpstream
from tests.fuzz.hostile import UNSAFE, spoil_bytes
from tests.tiny_bundle import make_tiny_bundle

CASES = 1_500
FEW = 80
_PATIENCE_S = 60.0
_TURNS = [{"role": "user", "content": "hello the cat"}]
_ASKED: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": _TURNS},
    "/v1/responses": {"input": "hello the cat"},
    "/v1/completions": {"prompt": "hello the cat"},
    "/v1/messages": {"messages": _TURNS, "max_tokens": 9},
}
_MODELS = ("plain", "tools", "reasoning", "unsafe", "unsafe-tools", "unsafe-reasoning")


async def _answers(stream: bool) -> list[tuple[str, str, bytes]]:
    """Return what the API answers when nothing is wrong: path, content type, body."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(LlmApi().app), base_url="http://api") as client:
        asked = [
            (path, {**call, "model": model, "stream": stream}) for path, call in _ASKED.items() for model in _MODELS
        ]
        came = [(path, await client.post(path, json=document)) for path, document in asked]
    return [(path, answer.headers["content-type"], answer.content) for path, answer in came]


def _chunks(random_: random.Random, body: bytes) -> tuple[bytes, ...]:
    """Cut a body where a network might."""
    cuts = sorted(random_.randrange(len(body) + 1) for _ in range(random_.choice((0, 1, 5, 40))))
    return tuple(body[start:end] for start, end in zip((0, *cuts), (*cuts, len(body)), strict=True))


def _strings(body: bytes) -> Iterator[str]:
    """Yield what a client may read in one go: each string of each event, or of the document."""
    waiting = []
    for line in body.split(b"\n"):
        try:
            waiting.append(orjson.loads(line.removeprefix(b"data:").strip()))
        except orjson.JSONDecodeError:
            continue
    while waiting:
        match waiting.pop():
            case str(text):
                yield text
            case dict(inner):
                waiting += [*inner.keys(), *inner.values()]
            case list(inner):
                waiting += inner


async def _ask(app: ASGIApp, path: str, body: bytes) -> tuple[int, bytes]:
    """Return status and body of an answer, also of one that breaks off: httpx has nothing of such an answer."""
    sent: list[Message] = []
    is_asked = False

    async def receive() -> Message:
        nonlocal is_asked
        if is_asked:
            await asyncio.Event().wait()
        is_asked = True
        return {"type": "http.request", "body": body}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": []}
    await app(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


async def _run(folder: Path, count: int, seed: int) -> dict[int, int]:
    bundle = make_tiny_bundle(folder / "tiny").path
    settings = Settings.model_validate(
        {"bundle": str(bundle), "threads": 1, "ocr": {"mode": "off"}, "judge_output": True, "refusal": "message"}
    )
    guard, upstream = open_guard(settings), FakeUpstream()
    answers = [*await _answers(True), *await _answers(False)]
    random_ = random.Random(seed)
    statuses: dict[int, int] = {}
    app = create_app(settings, guard=guard, upstream=upstream)
    for number in range(count):
        path, kind, body = random_.choice(answers)
        for _ in range(random_.choice((0, 1, 1, 2, 4))):
            body = spoil_bytes(random_, body)
        upstream.body = _chunks(random_, body)
        upstream.headers = {"content-type": kind}
        upstream.breaks = random_.random() < 0.2
        asked = orjson.dumps({"model": "m", **_ASKED[path], "stream": "event" in kind})
        async with asyncio.timeout(_PATIENCE_S):
            status, shown = await _ask(app, path, asked)
        statuses[status] = statuses.get(status, 0) + 1
        where = f"case {number} of seed {seed}: {path} {body[:500]!r}"
        assert status in (200, 400, 502), where
        assert not any(UNSAFE in text for text in _strings(shown)), where
    await guard.aclose()
    return statuses


def _check(folder: Path, caplog: pytest.LogCaptureFixture, count: int) -> None:
    with caplog.at_level(logging.DEBUG, "guard"):
        statuses = asyncio.run(_run(folder, count, seed=count))
    assert sum(statuses.values()) == count
    assert len(statuses) > 1
    assert "internal error" not in caplog.text
    assert UNSAFE not in caplog.text


def test_some_answers_are_passed_on_judged_or_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _check(tmp_path, caplog, FEW)


@pytest.mark.corpus
def test_many_answers_are_passed_on_judged_or_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _check(tmp_path, caplog, CASES)

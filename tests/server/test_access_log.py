"""The log line of a request: what it holds, and what it never holds."""

import base64
import io
import logging
from typing import Any

import orjson
import pytest
from PIL import Image, PngImagePlugin

from guard.server import logs
from tests.fakes import FakeUpstream, FixedScorer
from tests.server.house import SAFE, UNSAFE, Builder, chat

CHAT = "/v1/chat/completions"
CANARY = "canary7f3a91"


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO)
    return caplog


def _access(lines: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [orjson.loads(record.getMessage()) for record in lines.records if record.name == "guard.access"]


def _logged(lines: pytest.LogCaptureFixture) -> str:
    """Return everything that was logged, but by the test's own client."""
    return "\n".join(record.getMessage() for record in lines.records if record.name != "httpx")


def _picture_with_canary() -> str:
    note = PngImagePlugin.PngInfo()
    note.add_text("comment", CANARY)
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), "blue").save(buffer, "PNG", pnginfo=note)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


async def test_one_line_says_what_was_decided_and_how_long_it_took(
    build: Builder, lines: pytest.LogCaptureFixture
) -> None:
    house = build()

    async with house.client() as client:
        answer = await client.post(CHAT, json=chat(UNSAFE))

    (line,) = _access(lines)
    assert line["id"] == answer.headers["x-guard-id"]
    assert (line["route"], line["status"], line["action"], line["verdict"]) == (CHAT, 400, "block", "unsafe")
    assert line["code"] == "content_filter"
    assert 0 < line["added_ms"] <= line["total_ms"]
    assert line["upstream"] is None


async def test_line_of_a_request_sent_on_has_the_upstreams_status(
    build: Builder, lines: pytest.LogCaptureFixture
) -> None:
    house = build(upstream=FakeUpstream(status=429))

    async with house.client() as client:
        await client.post(CHAT, json=chat(SAFE))

    (line,) = _access(lines)
    assert (line["status"], line["upstream"], line["action"], line["code"]) == (429, 429, "allow", None)


def _requests() -> list[dict[str, Any]]:
    picture = [
        {"type": "text", "text": CANARY},
        {"type": "image_url", "image_url": {"url": _picture_with_canary()}},
        {"type": "image_url", "image_url": {"url": f"https://{CANARY}.example/{CANARY}.png"}},
    ]
    return [
        {"method": "POST", "url": CHAT, "json": chat(f"{CANARY} {SAFE}")},
        {"method": "POST", "url": CHAT, "json": chat(f"{CANARY} {UNSAFE}", **{CANARY: CANARY})},
        {"method": "POST", "url": CHAT, "json": {"messages": [{"role": "user", "content": picture}]}},
        {"method": "POST", "url": CHAT, "json": {"messages": [{"role": CANARY, "content": 3}]}},
        {"method": "POST", "url": CHAT, "json": {"messages": [{"role": "user", "content": [{"type": CANARY}]}]}},
        {"method": "POST", "url": CHAT, "content": f'{{"{CANARY}": {CANARY}'.encode()},
        {"method": "POST", "url": f"/v1/{CANARY}?{CANARY}={CANARY}", "content": CANARY.encode()},
        {"method": "GET", "url": f"/v1/models/{CANARY}"},
        {"method": "POST", "url": "/guard/classify", "json": {"text": CANARY, CANARY: CANARY}},
        {"method": "POST", "url": "/guard/classify", "json": [{"text": CANARY}, {"images": [CANARY]}]},
    ]


@pytest.mark.parametrize("scorer", [FixedScorer(), FixedScorer(failure=ValueError(CANARY))], ids=["well", "broken"])
@pytest.mark.parametrize("mode", ["enforce", "shadow", "off"])
async def test_no_content_and_no_key_is_ever_logged_or_counted(
    build: Builder, lines: pytest.LogCaptureFixture, scorer: FixedScorer, mode: str
) -> None:
    house = build(scorer=scorer, mode=mode)
    headers = {"authorization": f"Bearer {CANARY}", "x-api-key": CANARY, "cookie": CANARY}

    async with house.client() as client:
        answers = [await client.request(**request, headers=headers) for request in _requests()]
        page = (await client.get("/metrics")).text

    assert len(_access(lines)) == len(_requests())
    assert CANARY not in _logged(lines)
    assert CANARY not in page
    assert not [answer.text for answer in answers if CANARY in answer.text]


async def test_a_fault_inside_guard_is_answered_without_its_words(
    build: Builder, lines: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = build()

    async def faulty(*_: object) -> None:
        raise KeyError(CANARY)

    monkeypatch.setattr(house.guard, "check_all", faulty)

    async with house.client() as client:
        answer = await client.post(CHAT, json=chat(SAFE))

    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal_error")
    assert CANARY not in answer.text
    assert CANARY not in _logged(lines)
    assert "KeyError at faulty" in lines.text
    assert house.upstream.sent == []


def test_lines_on_stderr_show_exceptions_by_type_and_place_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    level = root.level
    try:
        writer = logs.start_logging(access=True)
        try:
            int(CANARY)
        except ValueError:
            logging.getLogger("somebody").exception("it failed")
        writer.close()
    finally:
        root.setLevel(level)

    line = orjson.loads(capsys.readouterr().err)
    assert (line["level"], line["message"], line["error"]) == ("error", "it failed", "ValueError")
    assert line["place"].startswith("test_lines_on_stderr")
    assert CANARY not in str(line)

"""Ten thousand hostile requests through the whole server: `make fuzz`."""

import asyncio
import json
import logging
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest

from guard.config import Settings
from guard.server.app import create_app
from guard.server.wire import STATUS
from guard.wiring import open_guard
from tests.fakes import FakeUpstream
from tests.fuzz.hostile import SECRET, UNSAFE, Hostile, hostile_requests
from tests.server.house import until
from tests.soak.forms import MODEL, REFUSAL, NoForm, told
from tests.tiny_bundle import make_tiny_bundle

CASES = 10_000
FEW = 400
_OWN = {"/guard/classify", "/v1/moderations", "/beta/litellm_basic_guardrail_api"}
# On a busy machine; a case takes about two milliseconds.
_PATIENCE_S = 60.0


def _says_unsafe(body: bytes) -> bool:
    """Return whether the words stand in a body, however JSON writes them."""
    return UNSAFE in json.dumps(json.loads(body), ensure_ascii=False)


class Fuzzed:
    """A Guard in enforce mode with a real bundle, and what came of the requests to it."""

    def __init__(self, folder: Path) -> None:
        bundle = make_tiny_bundle(folder / "tiny").path
        self._settings = Settings.model_validate(
            {
                "bundle": str(bundle),
                "threads": 1,
                "ocr": {"mode": "off"},
                "fetch": {"timeout_s": 1},
                "limits": {"max_body_bytes": 2_000_000},
            }
        )
        self.outcomes: Counter[str] = Counter()
        self.slowest = 0.0
        self.problems: list[str] = []

    async def run(self, count: int, seed: int) -> None:
        """Send the requests, and hold each answer to what is promised."""
        guard, upstream = open_guard(self._settings), FakeUpstream()
        transport = httpx.ASGITransport(create_app(self._settings, guard=guard, upstream=upstream))
        async with httpx.AsyncClient(transport=transport, base_url="http://guard") as client:
            for number, hostile in enumerate(hostile_requests(count, seed=seed)):
                upstream.sent.clear()
                began = time.perf_counter()
                async with asyncio.timeout(_PATIENCE_S):
                    answer = await client.post(hostile.path, content=hostile.body, headers=dict(hostile.headers))
                self.slowest = max(self.slowest, time.perf_counter() - began)
                try:
                    self._check(hostile, answer, upstream)
                except (AssertionError, NoForm, KeyError) as problem:
                    said = f"case {number}: {hostile.path} {hostile.body[:1000]!r}: {str(problem)[:300]}"
                    self.problems.append(said)
        await guard.aclose()
        await until(lambda: asyncio.all_tasks() == {asyncio.current_task()})  # what was cancelled ends

    def _check(self, hostile: Hostile, answer: httpx.Response, upstream: FakeUpstream) -> None:
        if upstream.sent:
            (sent,) = upstream.sent
            self.outcomes["sent on"] += 1
            assert answer.headers["x-guard-verdict"] == "safe"
            assert not _says_unsafe(sent.body)
            return
        api = "own" if hostile.path in _OWN else "openai"
        api = "anthropic" if hostile.path.startswith("/v1/messages") else api
        came = told(api, answer.status_code, answer.headers, answer.content)
        self.outcomes[came] += 1
        if came not in (REFUSAL, MODEL):
            assert STATUS[came] == answer.status_code < 500
        # Guard's own doors answer 200 with a verdict; for an LLM's API, the model's own word came from nowhere.
        assert api == "own" or came != MODEL
        assert answer.headers["x-guard-action"] == "block" or came != REFUSAL
        assert SECRET not in answer.text
        assert "Traceback" not in answer.text


def _run(folder: Path, caplog: pytest.LogCaptureFixture, count: int, seed: int) -> Fuzzed:
    fuzzed = Fuzzed(folder)
    with caplog.at_level(logging.DEBUG, "guard"):
        asyncio.run(fuzzed.run(count, seed))
    assert fuzzed.problems == []
    assert SECRET not in caplog.text
    assert "internal error" not in caplog.text
    return fuzzed


@pytest.mark.filterwarnings("ignore::UserWarning")  # of Pillow, about damaged files
def test_some_hostile_requests_are_answered_and_nothing_unsafe_passes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fuzzed = _run(tmp_path, caplog, FEW, seed=1)

    assert fuzzed.outcomes.total() == FEW
    assert len(fuzzed.outcomes) > 5


@pytest.mark.corpus
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_ten_thousand_hostile_requests_are_answered_and_nothing_unsafe_passes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fuzzed = _run(tmp_path, caplog, CASES, seed=20_261_121)

    print(f"slowest {fuzzed.slowest:.2f} s", *fuzzed.outcomes.most_common(), sep="\n")  # noqa: T201
    assert fuzzed.outcomes.total() == CASES
    # Each way out is taken: a corpus that is refused at the first look tries nothing.
    assert fuzzed.outcomes["sent on"] > CASES / 20
    assert fuzzed.outcomes[REFUSAL] > CASES / 20

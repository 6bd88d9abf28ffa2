"""`guard serve` with a judge, end to end: streams, overlap, a swap under load, a judge that is down; its figures."""

import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from guard.demo.servers import ServerThread
from guard.demo.standin import StandIn as Api
from tests.journeys.served import PATIENCE_S, Served, get, post, serve
from tests.second_opinion.stand_in import StandIn, stand_in
from tests.tiny_bundle import make_tiny_bundle

_BEARER = {"authorization": "Bearer admin-token-of-a-test"}
# To the tiny bundle every text without a harmful word scores about -4, and one with it about +4.
_SETTINGS = """
access_log: false
threads: 1
ocr: {mode: "off"}
overlap: true
judge_output: true
admin: {token: "env:GUARD_TEST_ADMIN"}
judge:
  model: openai/gpt-4o-mini
  url: URL
  key: env:JUDGE_KEY
  band: {allow: 0.001, block: 0.9}
  answers: true
  failures: 2
  calls_per_minute: 100000
  timeout_s: 100
  pause_s: 600
"""


@pytest.fixture
def judge() -> Iterator[StandIn]:
    with stand_in() as api:
        yield api


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def served(
    judge: StandIn, api: Api, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Served]:
    monkeypatch.setenv("JUDGE_KEY", "sk-judge")
    monkeypatch.setenv("GUARD_TEST_ADMIN", "admin-token-of-a-test")
    config = tmp_path / "guard.yaml"
    config.write_text(_SETTINGS.replace("URL", judge.url))
    with (
        ServerThread(api.app) as upstream,
        serve(tiny_bundle, "--config", str(config), "--upstream", upstream.url, "--store", "none") as running,
    ):
        yield running


def _chat(served: Served, text: str, *, stream: bool = False) -> httpx.Response:
    body = {"model": "m", "messages": [{"role": "user", "content": text}], "stream": stream}
    return post(f"{served.url}/v1/chat/completions", json=body)


def _metric(served: Served, name: str, **labels: str) -> float:
    rows = re.findall(rf"^{name}(?:\{{(.*)\}})? (\S+)$", get(f"{served.url}/metrics").text, re.MULTILINE)
    wanted = {f'{key}="{value}"' for key, value in labels.items()}
    return sum(float(value) for shown, value in rows if wanted <= set(shown.split(",")))


def _directions(judge: StandIn) -> list[str]:
    """Return what the judge was told that it reads, by question."""
    systems = [body["messages"][0]["content"] for body in judge.bodies]
    return ["answer" if "an answer that an AI assistant wrote" in system else "prompt" for system in systems]


def test_stream_waits_for_the_judge_while_the_upstream_already_answers(
    served: Served, judge: StandIn, api: Api
) -> None:
    judge.gate = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(_chat, served, "i hurt the cat", stream=True)
        while not (judge.bodies and api.received):
            assert not asked.done(), asked.result().text
            time.sleep(0.01)
        assert not asked.done()
        judge.gate.set()
        refused = asked.result(PATIENCE_S)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "content_filter")
    assert refused.json()["guard"]["basis"] == "judge"

    answered = _chat(served, "what is the weather", stream=True)
    assert answered.status_code == 200
    assert answered.text.endswith("data: [DONE]\n\n")
    assert _directions(judge).count("prompt") == 2
    assert _directions(judge).count("answer") > 0


def test_no_request_goes_unjudged_through_a_swap_and_figures_tell_what_the_judge_does(
    served: Served, judge: StandIn, tmp_path: Path
) -> None:
    second = make_tiny_bundle(tmp_path / "second", seed=1).path
    is_over = threading.Event()
    numbers = iter(range(10**9))

    def ask() -> list[dict[str, Any]]:
        said = []
        while not is_over.is_set():
            said.append(post(f"{served.url}/guard/classify", json={"text": f"i hurt the cat {next(numbers)}"}).json())
        return said

    with ThreadPoolExecutor(3) as pool:
        asking = [pool.submit(ask) for _ in range(3)]
        try:
            swapped = post(f"{served.url}/guard/bundle", json={"bundle": str(second)}, headers=_BEARER)
            last = post(f"{served.url}/guard/classify", json={"text": "i hurt the cat at last"}).json()
        finally:
            is_over.set()
        verdicts = [verdict for done in asking for verdict in done.result()] + [last]
    assert swapped.status_code == 200
    assert last["bundle"] == swapped.json()["digest"]
    assert {(verdict["basis"], verdict["action"]) for verdict in verdicts} == {("judge", "block")}

    asked = len(verdicts)
    assert len(judge.bodies) == asked
    assert _metric(served, "guard_judge_opinions_total", result="unsafe") == asked
    assert _metric(served, "guard_judge_opinions_total") / _metric(
        served, "guard_decisions_total", direction="input"
    ) == pytest.approx(1.0)
    # 1,000 tokens in at 0.15 dollars and 100 out at 0.60, each for a million.
    assert _metric(served, "guard_judge_dollars_total") == pytest.approx(asked * 0.00021)
    assert _metric(served, "guard_stage_seconds_count", stage="judge") == asked
    assert _metric(served, "guard_stage_seconds_sum", stage="judge") > 0


def test_streams_go_on_by_the_guard_alone_while_the_judge_is_down(served: Served, judge: StandIn) -> None:
    judge.status = 500
    for number in range(3):
        answered = _chat(served, f"what is the picture {number}", stream=True)
        assert answered.status_code == 200
        assert answered.text.endswith("data: [DONE]\n\n")
    assert len(judge.bodies) == 2
    assert _metric(served, "guard_judge_paused_workers") == 1
    assert _metric(served, "guard_judge_opinions_total", result="judge_paused") > 0
    verdict = post(f"{served.url}/guard/classify", json={"text": "i hurt the cat"}).json()
    assert (verdict["basis"], verdict["action"], verdict["code"]) == ("score", "allow", "judge_paused")

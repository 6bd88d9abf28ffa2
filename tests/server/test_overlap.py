"""The LLM API is called while Guard judges: nothing is shown before the verdict, and a block cancels the call."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

import pytest

from guard.errors import UpstreamUnreachable
from guard.ports import UpstreamRequest
from guard.server.overlap import may_overlap
from tests.fakes import FakeResponse, FakeUpstream, FixedScorer
from tests.server.house import SAFE, UNSAFE, Builder, House, chat, until

CHAT = "/v1/chat/completions"
FUNCTION = {"type": "function", "function": {"name": "f"}}


@dataclass
class SlowUpstream(FakeUpstream):
    """An LLM API that thinks before it answers, and knows when it is called and dropped."""

    thinks_s: float = 0.0
    log: list[str] = field(default_factory=list)

    async def send(self, request: UpstreamRequest) -> FakeResponse:
        self.log.append("called")
        try:
            await asyncio.sleep(self.thinks_s)
        except asyncio.CancelledError:
            self.log.append("cancelled")
            raise
        self.log.append("answered")
        return await FakeUpstream.send(self, request)


class LoggingScorer(FixedScorer):
    """A scorer that writes into the log of an upstream when it is done."""

    log: list[str]

    async def score(self, pairs: Any) -> Any:
        scores = await super().score(pairs)
        self.log.append("judged")
        return scores


def make(build: Builder, *, thinks_s: float, judges_s: float, **settings: Any) -> tuple[House, SlowUpstream]:
    upstream = SlowUpstream(thinks_s=thinks_s)
    scorer = LoggingScorer(delay_s=judges_s)
    scorer.log = upstream.log
    return build(upstream=upstream, scorer=scorer, **{"overlap": True, **settings}), upstream


async def post(house: House, document: dict[str, Any]) -> Any:
    async with house.client() as client:
        return await client.post(CHAT, json=document)


async def test_call_begins_before_the_verdict_and_its_answer_waits_for_it(build: Builder) -> None:
    house, upstream = make(build, thinks_s=0.0, judges_s=0.05)

    got = await post(house, chat(SAFE))

    assert upstream.log == ["called", "answered", "judged"]
    assert (got.status_code, got.headers["x-guard-verdict"]) == (200, "safe")
    assert house.metric("guard_upstream_requests_total", code="200") == 1


async def test_verdict_that_is_there_first_adds_nothing(build: Builder) -> None:
    house, upstream = make(build, thinks_s=0.2, judges_s=0.1)

    began = time.perf_counter()
    await post(house, chat(SAFE))
    elapsed_s = time.perf_counter() - began

    assert upstream.log == ["called", "judged", "answered"]
    # However busy the machine is: neither the API's time nor Guard's within it counts.
    assert house.metric("guard_added_latency_seconds_sum", route=CHAT) <= elapsed_s - 0.2


async def test_what_is_waited_for_guard_is_counted(build: Builder) -> None:
    house, upstream = make(build, thinks_s=0.1, judges_s=0.4)

    began = time.perf_counter()
    await post(house, chat(SAFE))
    elapsed_s = time.perf_counter() - began

    assert upstream.log == ["called", "answered", "judged"]
    assert 0.1 < house.metric("guard_added_latency_seconds_sum", route=CHAT) <= elapsed_s - 0.1


async def test_block_cancels_the_call(build: Builder) -> None:
    house, upstream = make(build, thinks_s=10.0, judges_s=0.02)

    got = await post(house, chat(UNSAFE))

    assert upstream.log == ["called", "judged", "cancelled"]
    assert (got.status_code, got.json()["error"]["code"]) == (400, "content_filter")
    assert house.metric("guard_upstream_requests_total", code="cancelled") == 1


async def test_block_after_the_answer_came_gives_it_up(build: Builder) -> None:
    house, upstream = make(build, thinks_s=0.0, judges_s=0.03)

    got = await post(house, chat(UNSAFE))

    assert got.status_code == 400
    assert [answer.is_closed for answer in upstream.answers] == [True]
    assert house.metric("guard_upstream_requests_total", code="cancelled") == 1
    assert house.metric("guard_upstream_requests_total", code="200") == 0


@pytest.mark.parametrize("text", [SAFE, UNSAFE])
async def test_failure_of_the_call_is_told_after_a_verdict_alone(build: Builder, text: str) -> None:
    house, upstream = make(build, thinks_s=0.0, judges_s=0.03)
    upstream.failure = UpstreamUnreachable("no connection to the upstream")

    got = await post(house, chat(text))

    assert got.json()["error"]["code"] == ("upstream_unreachable" if text == SAFE else "content_filter")


async def test_failed_scorer_cancels_the_call_under_fail_closed(build: Builder) -> None:
    house, upstream = make(build, thinks_s=10.0, judges_s=0.0)
    house.scorer.failure = RuntimeError("out of memory")

    got = await post(house, chat(SAFE))

    assert got.status_code == 503
    assert upstream.log[-1] == "cancelled"


async def test_client_that_leaves_while_guard_judges_leaves_no_call_behind(build: Builder) -> None:
    house, upstream = make(build, thinks_s=10.0, judges_s=10.0)
    messages = [{"type": "http.request", "body": b'{"model":"m","messages":[{"role":"user","content":"hi"}]}'}]

    async def receive() -> Any:
        if messages:
            return messages.pop()
        await until(lambda: upstream.log == ["called"])
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        return None

    scope = {"type": "http", "method": "POST", "path": CHAT, "query_string": b"", "headers": []}
    async with asyncio.timeout(5):
        await house.app(scope, receive, send)

    await until(lambda: upstream.log == ["called", "cancelled"])


async def test_request_that_cannot_be_read_is_never_sent(build: Builder) -> None:
    house, upstream = make(build, thinks_s=0.0, judges_s=0.0)

    assert (await post(house, {"messages": 1})).status_code == 400
    assert upstream.log == []


async def test_answers_are_judged_too(build: Builder) -> None:
    house, upstream = make(build, thinks_s=0.0, judges_s=0.0, judge_output=True)
    upstream.body = (b'{"choices":[{"index":0,"message":{"role":"assistant","content":"a bomb"}}]}',)

    got = await post(house, chat(SAFE))

    assert got.status_code == 400
    assert upstream.sent[0].headers["accept-encoding"] == "identity"


async def test_overlap_is_off_unless_asked_for(build: Builder) -> None:
    house, upstream = make(build, thinks_s=0.0, judges_s=0.02, overlap=False)

    await post(house, chat(SAFE))

    assert upstream.log == ["judged", "called", "answered"]


@pytest.mark.parametrize(
    ("api", "document", "may"),
    [
        ("chat", {}, True),
        ("chat", {"store": False, "tools": [FUNCTION, {"type": "custom", "custom": {}}]}, True),
        ("chat", {"store": True}, False),
        ("chat", {"web_search_options": {"user_location": None}}, False),
        ("chat", {"web_search_options": {}}, False),
        ("chat", {"tools": [FUNCTION, {"type": "web_search"}]}, False),
        ("chat", {"tools": {"type": "function"}}, False),
        ("chat", {"tools": [{"type": ["function"]}]}, False),
        ("responses", {}, False),
        ("responses", {"store": True}, False),
        ("responses", {"store": False}, True),
        ("responses", {"store": None}, False),
        ("responses", {"store": False, "background": True}, False),
        ("responses", {"store": False, "conversation": "conv_1"}, False),
        ("responses", {"store": False, "tools": [{"type": "mcp"}]}, False),
        ("messages", {"tools": [{"name": "f", "input_schema": {}}]}, True),
        ("messages", {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, False),
        ("messages", {"mcp_servers": [{"url": "https://x.example"}]}, False),
        ("batches", {}, False),
    ],
)
def test_calls_that_act_or_are_kept_wait_for_the_verdict(api: str, document: dict[str, Any], may: bool) -> None:
    assert may_overlap(api, document) is may


async def test_call_that_has_to_wait_is_made_after_the_verdict(build: Builder) -> None:
    house, upstream = make(build, thinks_s=0.0, judges_s=0.02)

    got = await post(house, chat(SAFE, store=True))

    assert (got.status_code, upstream.log) == (200, ["judged", "called", "answered"])

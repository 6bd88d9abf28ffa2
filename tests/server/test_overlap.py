"""The LLM API is called while Guard judges: nothing is shown before the verdict, and a block cancels the call."""

import asyncio
import time
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any

import pytest

from guard.errors import UpstreamUnreachable
from guard.ports import UpstreamRequest
from guard.server.overlap import may_overlap
from tests.fakes import FakeResponse, FakeUpstream, FixedScorer
from tests.pictures import solid
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


async def post(house: House, document: dict[str, Any], path: str = CHAT) -> Any:
    async with house.client() as client:
        return await client.post(path, json=document)


def picture(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def png(data: bytes) -> dict[str, Any]:
    return picture(f"data:image/png;base64,{b64encode(data).decode()}")


def showing(*parts: dict[str, Any]) -> dict[str, Any]:
    """Return a chat request with a safe text and these parts."""
    return {"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": SAFE}, *parts]}]}


async def test_call_begins_before_the_verdict_and_its_answer_waits_for_it(build: Builder) -> None:
    house, upstream = make(build, thinks_s=0.0, judges_s=0.3)

    got = await post(house, chat(SAFE))

    assert upstream.log == ["called", "answered", "judged"]
    assert (got.status_code, got.headers["x-guard-verdict"]) == (200, "safe")
    assert house.metric("guard_upstream_requests_total", code="200") == 1


async def test_request_has_left_when_judging_begins(build: Builder) -> None:
    log: list[str] = []

    class Writing(FakeUpstream):
        async def send(self, request: UpstreamRequest) -> FakeResponse:
            await asyncio.sleep(0)  # as aiohttp, whose body is written in a task of its own
            await asyncio.sleep(0)
            log.append("written")
            return await super().send(request)

    class Judging(FixedScorer):
        async def score(self, pairs: Any) -> Any:
            log.append("judging")
            return await super().score(pairs)

    house = build(upstream=Writing(), scorer=Judging(), overlap=True)

    await post(house, chat(SAFE))

    assert log == ["written", "judging"]


async def test_verdict_that_is_there_first_adds_nothing(build: Builder) -> None:
    house, upstream = make(build, thinks_s=0.6, judges_s=0.1)

    began = time.perf_counter()
    await post(house, chat(SAFE))
    elapsed_s = time.perf_counter() - began

    assert upstream.log == ["called", "judged", "answered"]
    # However busy the machine is: neither the API's time nor Guard's within it counts.
    assert house.metric("guard_added_latency_seconds_sum", route=CHAT) <= elapsed_s - 0.6


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
    house, upstream = make(build, thinks_s=0.0, judges_s=0.3)

    got = await post(house, chat(UNSAFE))

    assert got.status_code == 400
    assert [answer.is_closed for answer in upstream.answers] == [True]
    assert house.metric("guard_upstream_requests_total", code="cancelled") == 1
    assert house.metric("guard_upstream_requests_total", code="200") == 0


@pytest.mark.parametrize("text", [SAFE, UNSAFE])
async def test_failure_of_the_call_is_told_after_a_verdict_alone(build: Builder, text: str) -> None:
    house, upstream = make(build, thinks_s=0.0, judges_s=0.3)
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
    async with asyncio.timeout(60):
        await house.app(scope, receive, send)

    await until(lambda: upstream.log == ["called", "cancelled"])


async def test_request_that_cannot_be_read_is_never_sent(build: Builder) -> None:
    house, upstream = make(build, thinks_s=0.0, judges_s=0.0)

    assert (await post(house, {"messages": 1})).status_code == 400
    assert upstream.log == []


GOOD_URL = "https://pictures.test/a.png"
# Of which it is known before any verdict that they are not judged.
UNJUDGED: dict[str, tuple[str, dict[str, Any]]] = {
    "address of the network's own": (CHAT, showing(picture("http://169.254.169.254/latest/meta-data"))),
    "file": (CHAT, showing(picture("file:///etc/passwd"))),
    "one of two": (CHAT, showing(picture(GOOD_URL), picture("https://pictures.test/none.png"))),
    "no base64": (CHAT, showing(picture("data:image/png;base64,@@@@"))),
    "no picture": (CHAT, showing(png(b"<svg xmlns='http://www.w3.org/2000/svg'/>"))),
    "too large": (CHAT, showing(png(solid("red") + b" " * 100_000))),
    "PDF": (CHAT, showing({"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0="}})),
    "file id": (CHAT, showing({"type": "file", "file": {"file_id": "file_1"}})),
    "audio": (CHAT, showing({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}})),
    "in an older turn": (
        CHAT,
        {"messages": [*showing(picture("http://127.0.0.1/"))["messages"], *chat(SAFE)["messages"]]},
    ),
    "text too long": (CHAT, chat("word " * 500_000)),
    "stored item": ("/v1/responses", {"store": False, "input": [{"type": "message", "role": "user", "id": "msg_1"}]}),
    "picture of a message": (
        "/v1/messages",
        {
            "max_tokens": 8,
            "messages": [
                {"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "http://10.0.0.1/"}}]}
            ],
        },
    ),
}


@pytest.mark.parametrize(("path", "document"), UNJUDGED.values(), ids=UNJUDGED)
async def test_what_is_known_to_be_refused_is_never_sent(build: Builder, path: str, document: dict[str, Any]) -> None:
    house, upstream = make(
        build, thinks_s=0.0, judges_s=0.03, pictures={GOOD_URL: solid("red")}, images={"max_bytes": 50_000}
    )

    got = await post(house, document, path)

    assert got.status_code == 400
    assert "called" not in upstream.log


async def test_picture_that_cannot_be_written_anew_is_never_sent(build: Builder) -> None:
    house, upstream = make(build, thinks_s=0.0, judges_s=0.03, images={"send": "normalised"})

    got = await post(house, showing(png(solid("red", (60, 50))[:-40])))

    assert (got.status_code, got.json()["error"]["code"]) == (400, "image_rejected")
    assert "called" not in upstream.log


@pytest.mark.parametrize("part", [picture(GOOD_URL), png(solid("red"))], ids=["behind a URL", "in the request"])
async def test_call_with_a_good_picture_begins_before_the_verdict(build: Builder, part: dict[str, Any]) -> None:
    house, upstream = make(build, thinks_s=0.0, judges_s=0.03, pictures={GOOD_URL: solid("red")})

    got = await post(house, showing(part))

    assert (got.status_code, upstream.log[0]) == (200, "called")


@pytest.mark.parametrize(
    "settings", [{"policies": {"own": {"on_unjudged": "allow"}}, "policy": "own"}, {"mode": "shadow"}]
)
async def test_what_the_policy_lets_pass_unjudged_does_not_wait(build: Builder, settings: dict[str, Any]) -> None:
    house, upstream = make(build, thinks_s=0.0, judges_s=0.03, **settings)

    got = await post(house, showing({"type": "file", "file": {"file_id": "file_1"}}))

    assert (got.status_code, upstream.log[0]) == (200, "called")


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
        # Fields that nobody here knows, and those that other proxies and servers search or turn elsewhere by.
        ("chat", {"enable_search": True}, False),
        ("chat", {"search": True}, False),
        ("chat", {"fallbacks": ["other"]}, False),
        ("chat", {"models": ["a", "b"]}, False),
        ("chat", {"extra_body": {"enable_search": True}}, False),
        ("chat", {"field_of_next_year": 0}, False),
        ("chat", {"enable_search": False, "conversation": None}, True),
        ("chat", {"prompt": {"id": "pmpt_1"}}, False),
        ("responses", {"store": False, "prompt": {"id": "pmpt_1"}}, False),
        ("responses", {"store": False, "previous_response_id": "resp_1"}, False),
        (
            "chat",
            {
                "model": "gpt-4o", "messages": [], "temperature": 0.2, "top_p": 1, "max_tokens": 5, "n": 2, "seed": 7,
                "stream": True, "stream_options": {"include_usage": True}, "stop": ["\n"], "logprobs": True,
                "top_logprobs": 3, "user": "u", "response_format": {"type": "json_object"}, "tool_choice": "auto",
            },
            True,
        ),
        ("completions", {"model": "m", "prompt": "x", "suffix": "y", "best_of": 2, "echo": True}, True),
        ("messages", {"model": "m", "system": "x", "messages": [], "max_tokens": 5, "stop_sequences": ["y"]}, True),
        ("responses", {"store": False, "input": "x", "instructions": "y", "reasoning": {"effort": "low"}}, True),
        # Tools that the provider runs, in the words of others.
        ("chat", {"tools": [{"googleSearch": {}}]}, False),
        ("chat", {"tools": [{**FUNCTION, "google_search": {}}]}, False),
        ("chat", {"tools": [{"type": "builtin_function", "function": {"name": "$web_search"}}]}, False),
        ("responses", {"store": False, "input": [{"type": "additional_tools", "tools": []}]}, False),
        ("responses", {"store": False, "input": [{"type": "mcp_approval_response", "approve": True}]}, False),
        ("responses", {"store": False, "input": [{"role": "user", "content": "x"}, {"type": "reasoning"}]}, True),
        # Models that search whenever they are asked.
        ("chat", {"model": "openai/gpt-4o:online"}, False),
        ("chat", {"model": "gpt-4o-search-preview"}, False),
        ("chat", {"model": "o3-deep-research"}, False),
        ("chat", {"model": "groq/compound-mini"}, False),
        ("chat", {"model": ["m"]}, False),
    ],
)  # fmt: skip
def test_calls_that_act_or_are_kept_wait_for_the_verdict(api: str, document: dict[str, Any], may: bool) -> None:
    assert may_overlap(api, document) is may


def test_model_in_the_path_counts_as_one_in_the_request() -> None:
    assert may_overlap("chat", {"model": "gpt-4o"}, model="gpt-4o")
    assert not may_overlap("chat", {"model": "gpt-4o"}, model="gpt-4o-search-preview")


async def test_call_that_has_to_wait_is_made_after_the_verdict(build: Builder) -> None:
    house, upstream = make(build, thinks_s=0.0, judges_s=0.02)

    got = await post(house, chat(SAFE, store=True))

    assert (got.status_code, upstream.log) == (200, ["judged", "called", "answered"])

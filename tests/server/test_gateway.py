"""Which requests pass that are not chat."""

from typing import Any

import pytest

from guard.errors import UpstreamUnreachable
from tests.fakes import FakeUpstream
from tests.server.house import Builder


async def test_models_are_forwarded_with_path_query_and_key(build: Builder) -> None:
    house = build()

    async with house.client() as client:
        answer = await client.get("/v1/models?limit=2", headers={"authorization": "Bearer caller"})

    (sent,) = house.upstream.sent
    assert (sent.method, sent.path, sent.query, sent.body) == ("GET", "/v1/models", "limit=2", b"")
    assert sent.headers["authorization"] == "Bearer caller"
    assert answer.headers["x-guard-action"] == "allow"
    assert (
        house.metric("guard_requests_total", route="/v1/models", policy="balanced", mode="enforce", action="forward")
        == 1
    )


async def test_models_of_an_api_that_is_down_are_502_and_were_not_blocked(build: Builder) -> None:
    house = build(upstream=FakeUpstream(failure=UpstreamUnreachable("no connection")))

    async with house.client() as client:
        answer = await client.get("/v1/models")

    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_unreachable")
    assert (answer.headers["x-guard-verdict"], answer.headers["x-guard-action"]) == ("unjudged", "allow")


async def test_body_in_a_request_without_body_is_refused(build: Builder) -> None:
    house = build()

    async with house.client() as client:
        answer = await client.request("GET", "/v1/models", content=b'{"prompt":"hidden"}')

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "request_invalid")
    assert house.upstream.sent == []


@pytest.mark.parametrize(
    ("method", "path"),
    [("PUT", "/v1/responses"), ("POST", "/v1/embeddings"), ("GET", "/v1/files"), ("DELETE", "/v1/models/x")],
)
async def test_unknown_routes_are_denied_in_enforce(build: Builder, method: str, path: str) -> None:
    house = build()

    async with house.client() as client:
        answer = await client.request(method, path)

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_route")
    assert house.upstream.sent == []
    assert house.metric("guard_rejected_total", reason="unknown_route") == 1


@pytest.mark.parametrize("path", ["/v1/chat/completions/chatcmpl-1", "/v1/files/file-1/content"])
async def test_answers_that_the_api_kept_are_denied_where_answers_are_judged(build: Builder, path: str) -> None:
    asked = {
        "judged": build(unknown_routes="forward", judge_output=True),
        "forwarded": build(unknown_routes="forward"),
        "by default": build(),
    }
    statuses = {}
    for name, house in asked.items():
        async with house.client() as client:
            statuses[name] = (await client.get(path)).status_code

    assert statuses == {"judged": 404, "forwarded": 200, "by default": 404}


@pytest.mark.parametrize("settings", [{"mode": "shadow"}, {"mode": "off"}, {"unknown_routes": "forward"}])
async def test_unknown_routes_are_forwarded_and_counted_elsewhere(build: Builder, settings: dict[str, Any]) -> None:
    house = build(**settings)

    async with house.client() as client:
        answer = await client.post("/v1//embeddings/", content=b"abc", headers={"content-type": "x/y"})

    assert answer.status_code == 200
    (sent,) = house.upstream.sent
    assert (sent.path, sent.body, sent.headers["content-type"]) == ("/v1/embeddings", b"abc", "x/y")
    mode = settings.get("mode", "enforce")
    assert house.metric("guard_requests_total", route="other", policy="balanced", mode=mode, action="forward") == 1


@pytest.mark.parametrize("path", ["/x/responses", "/engines/m/chat/completions", "/x/completions", "/x/Messages/"])
async def test_unjudged_prompts_are_denied_in_enforce_whatever_the_setting(build: Builder, path: str) -> None:
    house = build(unknown_routes="forward")

    async with house.client() as client:
        answer = await client.post(path, content=b'{"input":"bomb"}')

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_route")
    assert house.upstream.sent == []


@pytest.mark.parametrize("mode", ["shadow", "off"])
async def test_unjudged_prompts_are_forwarded_where_nothing_is_enforced(build: Builder, mode: str) -> None:
    house = build(mode=mode)

    async with house.client() as client:
        answer = await client.post("/x/responses", content=b'{"input":"hello"}')

    assert answer.status_code == 200
    assert [sent.path for sent in house.upstream.sent] == ["/x/responses"]


@pytest.mark.parametrize(
    "path", ["/v1/CHAT/completions", "/v1//chat/completions", "/v1/x/../chat/completions", "/chat/completions"]
)
async def test_forwarding_unknown_routes_opens_no_way_around_the_chat_door(build: Builder, path: str) -> None:
    house = build(unknown_routes="forward")

    async with house.client() as client:
        answer = await client.post(path, content=b'{"messages":[{"role":"user","content":"bomb"}]}')

    assert answer.json()["error"]["code"] == "content_filter"
    assert house.upstream.sent == []


@pytest.mark.parametrize("path", ["/guard/nothing", "/v1/chat/completions;x=1", "/beta/x"])
async def test_own_and_ambiguous_paths_are_never_forwarded(build: Builder, path: str) -> None:
    house = build(mode="shadow")

    async with house.client() as client:
        answer = await client.post(path, content=b"x")

    assert answer.status_code == 404
    assert house.upstream.sent == []

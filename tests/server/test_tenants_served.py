"""Tenants at the doors: what judges them, what they may ask, and what the LLM API sees of it."""

import asyncio
import logging

import orjson
import pytest

from guard.access_settings import TenantSettings
from guard.errors import RateLimited
from guard.server.allowance import Allowance, Usage
from tests.fakes import FakeUpstream
from tests.server.house import SAFE, UNSAFE, Builder, chat, live, until
from tests.server.shops import BANK, SHOP, both

CHAT = "/v1/chat/completions"


async def test_tenant_is_judged_by_its_own_policy_and_counted_by_its_name(build: Builder) -> None:
    house = build(tenants=both())

    async with house.client() as client:
        verdicts = [
            (await client.post("/guard/classify", json={"text": SAFE}, headers=headers)).json()
            for headers in ({"x-api-key": BANK}, {"x-api-key": SHOP}, {})
        ]

    assert [verdict["policy"] for verdict in verdicts] == ["strict", "balanced", "balanced"]
    assert [house.metric("guard_tenant_requests_total", tenant=t, action="allow") for t in ("bank", "shop", "default")]
    assert house.metric("guard_decisions_total", **_decision("strict")) == 1
    labels = {"route": "/guard/classify", "mode": "enforce", "action": "allow"}
    assert house.metric("guard_requests_total", policy="strict", **labels) == 1


def _decision(policy: str) -> dict[str, str]:
    return {
        "direction": "input",
        "verdict": "safe",
        "intended": "allow",
        "action": "allow",
        "basis": "score",
        "cause": "none",
        "policy": policy,
    }


async def test_tenant_may_have_refusals_of_its_own_form(build: Builder) -> None:
    house = build(tenants=both(refusal="message"))

    async with house.client() as client:
        shop = await client.post(CHAT, json=chat(UNSAFE), headers={"x-api-key": SHOP})
        other = await client.post(CHAT, json=chat(UNSAFE))

    assert (shop.status_code, other.status_code) == (200, 400)
    assert shop.json()["choices"][0]["finish_reason"] == "content_filter"


async def test_keys_of_a_tenant_travel_with_its_requests_and_its_token_does_not(
    build: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GUARD_TEST_KEY", "sk-upstream")
    house = build(tenants=both(upstream_key="env:GUARD_TEST_KEY"))

    async with house.client() as client:
        await client.post(CHAT, json=chat(SAFE), headers={"authorization": f"Bearer {SHOP}", "x-guard-token": SHOP})
        await client.post(CHAT, json=chat(SAFE), headers={"authorization": f"Bearer {BANK}"})
        await client.post(CHAT, json=chat(SAFE), headers={"authorization": "Bearer own", "x-guard-token": BANK})

    assert [sent.keys for sent in house.upstream.sent] == [{"default": "sk-upstream"}, {}, {}]
    assert [sent.headers["authorization"] for sent in house.upstream.sent[1:]] == [f"Bearer {BANK}", "Bearer own"]
    assert not any("x-guard-token" in sent.headers for sent in house.upstream.sent)


@pytest.mark.parametrize(
    ("path", "route"), [(CHAT, CHAT), ("/guard/classify", "/guard/classify"), ("/v1/models", "/v1/models")]
)
async def test_unknown_caller_is_refused_before_anything_is_read(build: Builder, path: str, route: str) -> None:
    house = build(tenants=both(), unknown_tenants="refuse")

    async with house.client() as client:
        answer = await client.post(path, json=chat(SAFE), headers={"authorization": "Bearer sk-other"})
        known = await client.post("/guard/classify", json={"text": SAFE}, headers={"x-api-key": SHOP})

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert known.status_code == 200
    assert house.upstream.sent == []
    assert len(house.scorer.asked) == 1
    assert house.metric("guard_rejected_total", reason="unauthorized") == 1


async def test_health_and_metrics_need_no_key(build: Builder) -> None:
    house = build(tenants=both(), unknown_tenants="refuse")

    async with house.client() as client:
        statuses = [(await client.get(path)).status_code for path in ("/healthz", "/readyz", "/metrics")]

    assert statuses == [200, 200, 200]


async def test_tenant_with_too_many_requests_under_way_gets_429_and_others_pass(build: Builder) -> None:
    house = build(
        tenants=both(max_inflight=1),
        upstream=FakeUpstream(body=(b"{", b"}"), delay_s=0.3),
        limits={"max_inflight": 9},
    )

    async with live(house.app) as url, house.client() as client:
        import httpx

        async with httpx.AsyncClient(base_url=url) as shop:
            first = asyncio.create_task(shop.post(CHAT, json=chat(SAFE), headers={"x-api-key": SHOP}))
            await until(lambda: bool(house.upstream.sent))
            second = await shop.post(CHAT, json=chat(SAFE), headers={"x-api-key": SHOP})
            other = await client.post(CHAT, json=chat(SAFE), headers={"x-api-key": BANK})
            done = await first
            third = await shop.post(CHAT, json=chat(SAFE), headers={"x-api-key": SHOP})

    assert (second.status_code, second.json()["error"]["code"]) == (429, "rate_limited")
    assert second.headers["retry-after"]
    assert [answer.status_code for answer in (done, other, third)] == [200, 200, 200]


def test_requests_a_minute_come_free_as_the_minute_passes() -> None:
    now = 0.0
    settings = TenantSettings(keys=("env:X",), requests_per_minute=3)
    allowance = Allowance(Usage(clock=lambda: now), settings)

    def passed() -> int:
        count = 0
        for _ in range(10):
            try:
                with allowance.taken():
                    count += 1
            except RateLimited:
                break
        return count

    at_once = passed()
    now = 20.0
    after_a_third = passed()
    now = 1000.0
    after_long = passed()
    assert (at_once, after_a_third, after_long) == (3, 1, 3)


def test_reload_with_the_same_limits_gives_no_new_minute() -> None:
    usage = Usage(clock=lambda: 0.0)
    settings = TenantSettings(keys=("env:X",), requests_per_minute=1)
    with Allowance(usage, settings).taken():
        pass

    with pytest.raises(RateLimited), Allowance(usage, settings).taken():
        pass


async def test_no_key_stands_in_the_log_but_the_tenants_name_does(
    build: Builder, caplog: pytest.LogCaptureFixture
) -> None:
    house = build(tenants=both())
    caplog.set_level(logging.DEBUG)

    async with house.client() as client:
        await client.post(CHAT, json=chat(SAFE), headers={"authorization": f"Bearer {SHOP}"})
        await client.post(CHAT, json=chat(SAFE), headers={"authorization": f"Bearer {SHOP}", "x-api-key": BANK})

    lines = [orjson.loads(record.getMessage()) for record in caplog.records if record.name == "guard.access"]
    said = "\n".join(record.getMessage() for record in caplog.records if record.name != "httpx")
    assert [line["tenant"] for line in lines] == ["shop", "default"]
    assert SHOP not in said
    assert BANK not in said

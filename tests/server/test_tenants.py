"""Tenants: who is known by which key, what judges them, what they may ask, and what the LLM API sees of it."""

import asyncio
import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from guard.access_settings import TenantSettings
from guard.bundle import Bundle
from guard.config import Settings, parse_settings
from guard.errors import ConfigInvalid, RateLimited, Unauthorized
from guard.server.allowance import Allowance, Usage
from guard.server.tenants import open_tenants
from guard.wiring import choose_policies
from tests.fakes import FakeUpstream
from tests.server.house import SAFE, UNSAFE, Builder, chat, live, until

CHAT = "/v1/chat/completions"
SHOP, BANK = "the-key-of-the-shop-1", "the-key-of-the-bank-1"
ENVIRONMENT = {"SHOP": SHOP, "BANK": BANK, "UPSTREAM": "sk-upstream"}


def _sha256(key: str) -> str:
    return "sha256:" + hashlib.sha256(key.encode()).hexdigest()


def _tenants(**more: Any) -> dict[str, Any]:
    return {"shop": {"keys": [_sha256(SHOP)], **more}, "bank": {"keys": [_sha256(BANK)], "policy": "strict"}}


def _find(headers: Mapping[str, str], **settings: Any) -> str | None:
    tenants = open_tenants(Settings.model_validate({"tenants": _tenants(), **settings}), ENVIRONMENT)
    found = tenants.find([(name.encode(), value.encode("latin-1")) for name, value in headers.items()])
    return None if found is None else found.name


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {SHOP}"},
        {"authorization": f"bearer  {SHOP} "},
        {"authorization": f"Bearer\t{SHOP}"},
        {"authorization": SHOP},
        {"x-api-key": SHOP},
        {"api-key": SHOP},
        {"x-goog-api-key": SHOP},
        {"x-guard-token": SHOP},
        {"x-guard-token": SHOP, "authorization": "Bearer sk-anything-at-all"},
        {"x-api-key": SHOP, "authorization": f"Bearer {SHOP}"},
    ],
)
def test_tenant_is_known_by_its_key_wherever_clients_put_it(headers: dict[str, str]) -> None:
    assert _find(headers) == "shop"


@pytest.mark.parametrize("name", ["authorization", "x-api-key", "api-key", "x-guard-token"])
@pytest.mark.parametrize("tenants", [{}, {"tenants": _tenants()}], ids=["no tenants", "tenants"])
async def test_admin_token_opens_no_llm_api(build: Builder, name: str, tenants: dict[str, Any]) -> None:
    house = build(admin={"token": _sha256("the-token-of-the-admin")}, **tenants)
    value = "Bearer the-token-of-the-admin" if name == "authorization" else "the-token-of-the-admin"

    async with house.client() as client:
        answer = await client.post(CHAT, json=chat(SAFE), headers={name: value})

    assert (answer.status_code, house.upstream.sent) == (401, [])


def test_admin_token_is_no_tenants_key() -> None:
    admin = hashlib.sha256(SHOP.encode()).digest()

    with pytest.raises(ConfigInvalid, match=r"the same key as admin\.token"):
        open_tenants(Settings.model_validate({"tenants": _tenants()}), ENVIRONMENT, admin_token=admin)


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer sk-other"}, {"authorization": "Bearer"}])
def test_others_are_nobody_in_particular_or_refused(headers: dict[str, str]) -> None:
    assert _find(headers) is None
    with pytest.raises(Unauthorized):
        _find(headers, unknown_tenants="refuse")


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {SHOP}", "x-api-key": BANK},
        {"authorization": f"Bearer {SHOP}", "x-api-key": "sk-other"},
        {"authorization": "Bearer sk-other", "api-key": BANK},
        {"x-guard-token": "of-nobody"},
        {"x-guard-token": "", "authorization": f"Bearer {SHOP}"},
    ],
)
def test_request_with_keys_of_several_or_a_wrong_token_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(Unauthorized):
        _find(headers)


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f'Bearer "{SHOP}"'},
        {"authorization": f"Token {SHOP}"},
        {"authorization": f"Basic {SHOP}"},
        {"authorization": f"Bearer {SHOP}, Bearer sk-other"},
        {"authorization": f"Bearer sk-other,{SHOP}"},
        {"authorization": f"Bearer Bearer {SHOP}"},
        {"api-key": f"Bearer {SHOP}"},
        {"x-api-key": "caf\xe9"},
        {"authorization": f"Bearer {SHOP};x"},
        {"authorization": f"Bearer:{SHOP}"},
        {"authorization": f"Bearer{SHOP}"},
        {"authorization": f"Bearer={SHOP}"},
        {"x-auth-token": SHOP},
        {"cookie": f"a=b; k={SHOP}"},
        {"x-forwarded-authorization": f"Key a:b={SHOP}"},
    ],
)
def test_key_that_is_written_in_a_way_that_guard_does_not_read_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(Unauthorized, match="written in a way"):
        _find(headers)


def test_header_that_comes_twice_counts_twice() -> None:
    tenants = open_tenants(Settings.model_validate({"tenants": _tenants()}), ENVIRONMENT)

    with pytest.raises(Unauthorized, match="several"):
        tenants.find([(b"x-api-key", SHOP.encode()), (b"x-api-key", BANK.encode())])


def test_keys_lie_in_the_environment_or_in_files(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{BANK}\n")
    said = {"shop": {"keys": ["env:SHOP"]}, "bank": {"keys": [f"file:{file}"]}}

    tenants = open_tenants(Settings.model_validate({"tenants": said}), ENVIRONMENT)

    assert [tenants.find([(b"api-key", key.encode())]).name for key in (SHOP, BANK)] == ["shop", "bank"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("env:NOT_THERE", "the environment has no NOT_THERE"),
        ("file:/no/such/file", "No such file"),
        ("env:SHORT", "8 characters, a key needs 16"),
        ("env:EMPTY", "is empty or not one line"),
        ("env:LINES", "is empty or not one line"),
        ("env:BANK", "the same key as one of tenants.bank"),
    ],
)
def test_key_that_cannot_be_used_is_named_and_never_shown(reference: str, said: str) -> None:
    odd = {"SHORT": "secret99", "EMPTY": "", "LINES": "one-secret99-line\nanother"}
    settings = Settings.model_validate({"tenants": {"bank": {"keys": ["env:BANK"]}, "shop": {"keys": [reference]}}})

    with pytest.raises(ConfigInvalid) as raised:
        open_tenants(settings, ENVIRONMENT | odd)

    assert str(raised.value).startswith("tenants.shop.keys.0: ")
    assert said in str(raised.value)
    assert not {"secret99", BANK} & set(str(raised.value).split())


def _with_upstreams(upstream: dict[str, Any], **tenant: Any) -> Settings:
    return Settings.model_validate({"upstream": upstream, "tenants": {"shop": {"keys": ["env:SHOP"], **tenant}}})


_CLAUDE = {"url": "https://claude.example", "models": ["claude-*"]}
_TWO = {"url": "https://llm.example", "others": {"claude": _CLAUDE}}


@pytest.mark.parametrize(
    ("upstream", "tenant", "expected"),
    [
        (_TWO, {}, {}),
        ({"url": "https://llm.example"}, {"upstream_key": "env:UPSTREAM"}, {"default": "sk-upstream"}),
        ({}, {"upstream_key": "env:UPSTREAM"}, {"default": "sk-upstream"}),
        (_TWO, {"upstream_keys": {"claude": "env:UPSTREAM"}}, {"claude": "sk-upstream"}),
        (
            _TWO,
            {"upstream_keys": {"claude": "env:UPSTREAM", "default": "env:OTHER"}},
            {"claude": "sk-upstream", "default": "sk-other"},
        ),
    ],
)
def test_each_key_of_an_llm_api_has_the_name_of_the_one_it_is_for(
    upstream: dict[str, Any], tenant: dict[str, Any], expected: dict[str, str]
) -> None:
    tenants = open_tenants(_with_upstreams(upstream, **tenant), ENVIRONMENT | {"OTHER": "sk-other"})
    found = tenants.find([(b"api-key", SHOP.encode())])

    assert found is not None
    assert found.upstream_keys == expected
    assert "sk-" not in repr(found)


_SEVERAL_PROVIDERS = {"litellm": {"gpt-*": "openai/gpt-*", "claude-*": "anthropic/claude-*"}}
_ENVIRONMENT_PAYS = {"litellm": {"x": "bedrock/x"}, "litellm_environment": True}


@pytest.mark.parametrize(
    ("upstream", "tenant", "said"),
    [
        (_TWO, {"upstream_key": "env:X"}, "upstream_key: there is more than one LLM API: .* each of default, claude"),
        ({"others": {"claude": _CLAUDE}}, {"upstream_key": "env:X"}, "upstream_key: there is more than one LLM API"),
        (_TWO, {"upstream_keys": {"cloude": "env:X"}}, "upstream_keys.cloude: .* no such LLM API .* default, claude"),
        (
            {"others": {"claude": _CLAUDE}},
            {"upstream_keys": {"default": "env:X"}},
            "upstream_keys.default: .* no such LLM API",
        ),
        (_SEVERAL_PROVIDERS, {"upstream_key": "env:X"}, "upstream_key: one key, for anthropic and openai"),
        (_SEVERAL_PROVIDERS, {"upstream_keys": {"default": "env:X"}}, "one key, for anthropic and openai"),
        (_ENVIRONMENT_PAYS, {"upstream_key": "env:X"}, "upstream_key: litellm_environment or .* which of them pays"),
        (_TWO, {"upstream_key": "env:X", "upstream_keys": {"claude": "env:X"}}, "upstream_key or upstream_keys"),
        ({"url": "https://h", "others": {"default": _CLAUDE}}, {}, "choose another name"),
    ],
)
def test_key_that_could_reach_more_than_one_llm_api_stops_the_start_in_one_line(
    upstream: dict[str, Any], tenant: dict[str, Any], said: str
) -> None:
    written = {"upstream": upstream, "tenants": {"shop": {"keys": ["env:SHOP"], **tenant}}}

    with pytest.raises(ConfigInvalid, match=said) as raised:
        parse_settings(written, source="guard.yaml")

    assert "\n" not in str(raised.value)


def test_reload_that_leaves_the_upstreams_checks_keys_against_those_in_use() -> None:
    read = _with_upstreams({"url": "https://llm.example"}, upstream_key="env:UPSTREAM")
    in_use = read.model_copy(update={"upstream": _with_upstreams(_TWO).upstream})

    with pytest.raises(ConfigInvalid, match=r"^tenants\.shop\.upstream_key: there is more than one LLM API"):
        open_tenants(in_use, ENVIRONMENT)


async def test_tenant_is_judged_by_its_own_policy_and_counted_by_its_name(build: Builder) -> None:
    house = build(tenants=_tenants())

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
    house = build(tenants=_tenants(refusal="message"))

    async with house.client() as client:
        shop = await client.post(CHAT, json=chat(UNSAFE), headers={"x-api-key": SHOP})
        other = await client.post(CHAT, json=chat(UNSAFE))

    assert (shop.status_code, other.status_code) == (200, 400)
    assert shop.json()["choices"][0]["finish_reason"] == "content_filter"


async def test_keys_of_a_tenant_travel_with_its_requests_and_its_token_does_not(
    build: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GUARD_TEST_KEY", "sk-upstream")
    house = build(tenants=_tenants(upstream_key="env:GUARD_TEST_KEY"))

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
    house = build(tenants=_tenants(), unknown_tenants="refuse")

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
    house = build(tenants=_tenants(), unknown_tenants="refuse")

    async with house.client() as client:
        statuses = [(await client.get(path)).status_code for path in ("/healthz", "/readyz", "/metrics")]

    assert statuses == [200, 200, 200]


async def test_tenant_with_too_many_requests_under_way_gets_429_and_others_pass(build: Builder) -> None:
    house = build(
        tenants=_tenants(max_inflight=1),
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


async def test_tenants_policy_that_there_is_not_stops_the_start() -> None:
    settings = Settings.model_validate({"tenants": {"shop": {"keys": ["env:X"], "policy": "lax"}}})

    with pytest.raises(ConfigInvalid, match=r"^tenants\.shop\.policy: .*not 'lax'$"):
        choose_policies(settings, Bundle.load("embedded"))


@pytest.mark.parametrize(
    "written",
    [
        {"tenants": {"shop": {"keys": []}}},
        {"tenants": {"shop": {}}},
        {"tenants": {"default": {"keys": ["env:X"]}}},
        {"tenants": {"two words": {"keys": ["env:X"]}}},
        {"tenants": {"shop": {"keys": ["env:X", "env:X"]}}},
        {"tenants": {"shop": {"keys": ["env:X"], "max_inflight": 0}}},
        {"unknown_tenants": "refuse"},
    ],
)
def test_tenants_that_make_no_sense_are_refused(written: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        Settings.model_validate(written)


def test_secret_in_the_configuration_is_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigInvalid) as raised:
        parse_settings({"tenants": {"shop": {"keys": ["sk-secret99"]}}}, source="test")

    assert "tenants.shop.keys.0" in str(raised.value)
    assert "secret99" not in str(raised.value)


async def test_no_key_stands_in_the_log_but_the_tenants_name_does(
    build: Builder, caplog: pytest.LogCaptureFixture
) -> None:
    house = build(tenants=_tenants())
    caplog.set_level(logging.DEBUG)

    async with house.client() as client:
        await client.post(CHAT, json=chat(SAFE), headers={"authorization": f"Bearer {SHOP}"})
        await client.post(CHAT, json=chat(SAFE), headers={"authorization": f"Bearer {SHOP}", "x-api-key": BANK})

    lines = [orjson.loads(record.getMessage()) for record in caplog.records if record.name == "guard.access"]
    said = "\n".join(record.getMessage() for record in caplog.records if record.name != "httpx")
    assert [line["tenant"] for line in lines] == ["shop", "default"]
    assert SHOP not in said
    assert BANK not in said

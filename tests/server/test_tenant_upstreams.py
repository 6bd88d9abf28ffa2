"""Keys of LLM APIs that tenants have: each is for one API, and reaches no other."""

from typing import Any

import pytest

from guard.config import Settings, parse_settings
from guard.errors import ConfigInvalid
from guard.server.tenants import open_tenants
from tests.server.shops import ENVIRONMENT, SHOP


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

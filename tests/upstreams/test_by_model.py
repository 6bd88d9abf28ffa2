"""Several upstreams: the model decides, and each is sent its own key and nobody else's."""

import re
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from pydantic import ValidationError

from guard.errors import ConfigInvalid, UnknownModel
from guard.ports import UpstreamRequest
from guard.upstream_settings import UpstreamSettings
from guard.upstreams.by_model import ByModel, best_pattern
from guard.upstreams.opening import open_upstreams
from tests.fakes import FakeUpstream
from tests.upstreams.raw_api import raw_api, remembering

_OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
_CALLER = {"authorization": "Bearer caller", "x-api-key": "caller", "cookie": "caller=1", "x-other": "1"}


def _ask(model: str | None, *, path: str = "/v1/chat/completions", body: bytes = b"{}") -> UpstreamRequest:
    return UpstreamRequest("POST", path, "", _CALLER, body, model)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("claude-3", "claude-*"),
        ("claude-3-opus", "claude-3-*"),
        ("claude-3-opus-latest", "claude-3-opus-latest"),
        ("claude-", "claude-*"),
        ("Claude-3", None),
        ("my-claude-3", None),
        ("", None),
    ],
)
def test_very_name_wins_over_the_longest_beginning(model: str, expected: str | None) -> None:
    assert best_pattern(model, ["claude-*", "claude-3-*", "claude-3-opus-latest"]) == expected


async def test_request_goes_to_the_upstream_that_serves_its_model() -> None:
    default, claude = FakeUpstream(), FakeUpstream()
    upstream = ByModel(default, {"claude-*": claude})

    for model in ("gpt-4o", "claude-3", None):
        await upstream.send(_ask(model))

    assert [request.model for request in default.sent] == ["gpt-4o", None]
    assert [request.model for request in claude.sent] == ["claude-3"]


@pytest.mark.parametrize(
    "request_",
    [
        _ask(None, body=b'{"model":"claude-3"}'),
        UpstreamRequest("GET", "/v1/models/claude-3", "", {}, b""),
        UpstreamRequest("GET", "/v1/models/claude%2D3", "", {}, b""),
    ],
    ids=["in the body", "in the path", "percent-encoded"],
)
async def test_model_that_nobody_judged_is_read_from_the_request(request_: UpstreamRequest) -> None:
    default, claude = FakeUpstream(), FakeUpstream()

    await ByModel(default, {"claude-*": claude}).send(request_)

    assert (len(default.sent), len(claude.sent)) == (0, 1)


async def test_model_that_was_judged_wins_over_the_one_in_the_body() -> None:
    default, claude = FakeUpstream(), FakeUpstream()

    await ByModel(default, {"claude-*": claude}).send(_ask("gpt-4o", body=b'{"model":"claude-3"}'))

    assert (len(default.sent), len(claude.sent)) == (1, 0)


@pytest.mark.parametrize("body", [b"", b"not JSON", b"[]", b'{"model":7}', b"\x1f\x8b\x08"])
async def test_request_without_a_model_goes_to_the_default(body: bytes) -> None:
    default = FakeUpstream()

    await ByModel(default, {"claude-*": FakeUpstream()}).send(_ask(None, body=body))

    assert len(default.sent) == 1


async def test_model_that_nobody_serves_is_unknown_where_there_is_no_default() -> None:
    with pytest.raises(UnknownModel, match=r"upstream\.others"):
        await ByModel(None, {"claude-*": FakeUpstream()}).send(_ask("gpt-4o"))


@pytest.mark.parametrize(("has_default", "listed"), [(False, ["opus"]), (True, None)])
async def test_models_are_the_defaults_to_list_and_those_of_the_map_where_there_is_none(
    has_default: bool, listed: list[str] | None
) -> None:
    default, claude = FakeUpstream(), FakeUpstream()
    upstream = ByModel(default if has_default else None, {"claude-*": claude, "opus": claude})

    response = await upstream.send(UpstreamRequest("GET", "/v1/models", "", {}, b""))
    body = orjson.loads(b"".join([chunk async for chunk in response.chunks()]))

    assert len(default.sent) == has_default
    assert listed is None or [model["id"] for model in body["data"]] == listed


async def test_closing_closes_every_upstream() -> None:
    default, claude = FakeUpstream(), FakeUpstream()

    await ByModel(default, {"claude-*": claude, "opus-*": claude}).close()

    assert default.is_closed
    assert claude.is_closed


async def test_each_upstream_gets_its_own_key_and_nothing_of_the_callers() -> None:
    heads: list[str] = []
    environment = {"OPENAI": "key-of-openai", "CLAUDE": "key-of-claude", "AZURE": "key-of-azure"}

    async with raw_api(remembering(heads, _OK)) as url:
        upstream = open_upstreams(
            UpstreamSettings.model_validate(
                {
                    "url": url,
                    "key_env": "OPENAI",
                    "others": {
                        "claude": {"url": url, "models": ["claude-*"], "key_env": "CLAUDE"},
                        "azure": {"url": url, "models": ["mine"], "key_env": "AZURE", "key_header": "api-key"},
                    },
                }
            ),
            environment,
        )
        await upstream.send(_ask("gpt-4o"))
        await upstream.send(_ask("claude-3", path="/v1/messages"))
        await upstream.send(_ask("mine"))
        await upstream.close()

    shown = [{line for line in head.splitlines() if "key-of" in line or "caller" in line} for head in heads]
    assert shown == [{"authorization: Bearer key-of-openai"}, {"x-api-key: key-of-claude"}, {"api-key: key-of-azure"}]
    assert all("x-other: 1" in head for head in heads)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("/v1/chat/completions", "authorization: Bearer operator"),
        ("/v1/messages", "x-api-key: operator"),
        ("/v1/messages/batches/1", "x-api-key: operator"),
        ("/v1/messages_of_another_api", "authorization: Bearer operator"),
        ("/v1/threads/1/messages", "authorization: Bearer operator"),
        ("/anthropic/v1/messages", "x-api-key: operator"),
        ("/anthropic/v1/messages/count_tokens", "x-api-key: operator"),
        ("/openai/deployments/x/chat/completions", "api-key: operator"),
        ("/openai/v1/responses", "api-key: operator"),
    ],
)
async def test_key_stands_in_the_header_that_the_api_of_the_path_reads(path: str, line: str) -> None:
    heads: list[str] = []

    async with raw_api(remembering(heads, _OK)) as url:
        upstream = open_upstreams(UpstreamSettings.model_validate({"url": url, "key_env": "K"}), {"K": "operator"})
        await upstream.send(_ask(None, path=path))
        await upstream.close()

    assert [shown for shown in heads[0].splitlines() if "operator" in shown] == [line]


async def test_callers_own_key_passes_where_the_upstream_has_none() -> None:
    heads: list[str] = []

    async with raw_api(remembering(heads, _OK)) as url:
        upstream = open_upstreams(UpstreamSettings.model_validate({"url": url}), {})
        await upstream.send(_ask("gpt-4o"))
        await upstream.close()

    assert "authorization: Bearer caller" in heads[0]


async def test_key_of_a_tenant_takes_the_place_of_the_upstreams_own() -> None:
    heads: list[str] = []

    async with raw_api(remembering(heads, _OK)) as url:
        upstream = open_upstreams(UpstreamSettings.model_validate({"url": url, "key_env": "K"}), {"K": "operator"})
        await upstream.send(replace(_ask("gpt-4o"), keys={"default": "tenant"}))
        await upstream.send(replace(_ask("gpt-4o"), keys={"another": "tenant"}))
        await upstream.close()

    assert [_keys_in(head) for head in heads] == [
        {"authorization: Bearer tenant"},
        {"authorization: Bearer operator"},
    ]


def _keys_in(head: str) -> set[str]:
    return {line for line in head.splitlines() if re.search("tenant|caller|operator", line)}


@pytest.mark.parametrize("environment", [{}, {"K": ""}, {"K": "two\nlines"}])
def test_key_that_is_missing_or_none_stops_the_start_and_names_its_variable(environment: dict[str, str]) -> None:
    settings = UpstreamSettings.model_validate({"url": "http://llm.example", "key_env": "K"})

    with pytest.raises(ConfigInvalid, match=r"upstream\.key_env: the environment variable K is not set"):
        open_upstreams(settings, environment)


@pytest.mark.parametrize("kept", ["env:K", "file:key.txt"])
async def test_key_is_taken_from_where_the_settings_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "key.txt").write_text("operator\n")
    heads: list[str] = []

    async with raw_api(remembering(heads, _OK)) as url:
        upstream = open_upstreams(UpstreamSettings.model_validate({"url": url, "key": kept}), {"K": "operator"})
        await upstream.send(_ask("gpt-4o"))
        await upstream.close()

    assert _keys_in(heads[0]) == {"authorization: Bearer operator"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"url": "http://h", "key": "env:GONE"}, r"^upstream\.key: the environment has no GONE$"),
        ({"url": "http://h", "key": "file:gone.txt"}, r"^upstream\.key: gone\.txt: No such file or directory$"),
        (
            {"others": {"a": {"url": "http://h", "models": ["x"], "key": "env:GONE"}}},
            r"^upstream\.others\.a\.key: the environment has no GONE$",
        ),
        (
            {"others": {"a": {"url": "http://h", "models": ["x"], "key_env": "GONE"}}},
            r"^upstream\.others\.a\.key_env: the environment variable GONE is not set",
        ),
        (
            {"url": "http://h", "proxy": "http://p:1", "proxy_login": "env:GONE"},
            r"^upstream\.proxy_login: the environment has no GONE$",
        ),
        (
            {"url": "http://h", "proxy": "http://p:1", "proxy_login": "env:ALONE"},
            r"^upstream\.proxy_login: env:ALONE must hold USER:PASSWORD$",
        ),
    ],
)
def test_secret_that_is_not_there_stops_the_start_and_names_its_setting(
    settings: dict[str, object], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConfigInvalid, match=message):
        open_upstreams(UpstreamSettings.model_validate(settings), {"ALONE": "geheim"})


def test_no_upstream_at_all_is_a_configuration_error() -> None:
    assert not UpstreamSettings().is_set
    with pytest.raises(ConfigInvalid, match="not set"):
        open_upstreams(UpstreamSettings(), {})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"others": {"a": {"url": "http://h", "models": ["x*"]}, "b": {"url": "http://h", "models": ["x*"]}}},
            "a and by b",
        ),
        ({"others": {"a": {"url": "http://h"}}}, "which models it serves"),
        ({"others": {"a": {"models": ["x"]}}}, "models needs url"),
        ({"others": {"a": {"litellm": {"x": "p/x"}, "models": ["x"]}}}, "which models it serves"),
        ({"others": {"a": {"url": "http://h", "models": ["a*b"]}}}, "pattern"),
        ({"others": {"A b": {"url": "http://h", "models": ["a"]}}}, "pattern"),
        ({"litellm": {"x": "no-provider"}}, "pattern"),
        ({"litellm": {"x": "anthropic/*"}}, "has no star"),
        ({"litellm": {"x": "anthropic/y"}, "proxy": "http://p:1"}, "SSL_CERT_FILE"),
        ({"url": "http://h", "litellm_options": {"api_version": "1"}}, "need litellm"),
        ({"litellm": {"x": "p/x"}, "litellm_environment": True, "key_env": "K"}, "which of them pays"),
        ({"url": "http://h", "proxy_login_env": "P"}, "needs proxy"),
        ({"url": "http://h", "proxy": "https://p:1"}, "must begin with http:"),
        ({"url": "http://h", "proxy": "http://u:geheim@p:1"}, "credentials"),
        ({"litellm": {"x": "p/x", "y": "q/y"}, "key_env": "K"}, "there is one key, for p and q"),
        ({"litellm": {"x": "p/x"}, "litellm_environment": True, "key": "env:K"}, "which of them pays"),
        ({"url": "http://h", "key": "env:K", "key_env": "K"}, "they say the same"),
        (
            {"url": "http://h", "proxy": "http://p:1", "proxy_login": "env:P", "proxy_login_env": "P"},
            "they say the same",
        ),
        ({"url": "http://h", "proxy_login": "env:P"}, "needs proxy"),
        ({"url": "http://h", "key": "sk-geheim"}, "pattern"),
        ({"url": "http://h", "key_header": "api-key"}, "needs key"),
        ({"url": "http://h", "tls": {"key_file": "k"}}, "needs certificate_file"),
    ],
)
def test_settings_that_contradict_themselves_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message) as error:
        UpstreamSettings.model_validate(settings)

    assert all("geheim" not in part["msg"] for part in error.value.errors())

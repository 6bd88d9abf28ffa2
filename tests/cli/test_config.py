from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from guard.bundle import Bundle
from guard.cli import app
from guard.config import LimitSettings, parse_settings, read_settings
from guard.errors import BundleInvalid, ConfigInvalid
from guard.types import Mode

_RUNNER = CliRunner()


def test_valid_file_is_said_to_be_valid(tmp_path: Path) -> None:
    file = tmp_path / "guard.yaml"
    file.write_text("mode: shadow\nlimits: {max_inflight: 8}\n")

    result = _RUNNER.invoke(app, ["config", "check", str(file)])

    assert result.exit_code == 0
    first, second, *rest = result.output.splitlines()
    assert first == f"{file}: valid"
    assert second.startswith("policy balanced, threshold 0.")
    assert second.endswith(f", bundle {Bundle.load('embedded').label}")
    assert max(map(len, (second, *rest))) <= 80


def test_valid_file_is_shown_with_its_defaults_as_json(tmp_path: Path) -> None:
    file = tmp_path / "guard.yaml"
    file.write_text("mode: shadow\n")

    result = _RUNNER.invoke(app, ["config", "check", str(file), "--json"])

    shown = orjson.loads(result.output)
    assert (shown["mode"], shown["policy"]["on_error"]) == ("shadow", "block")


def test_every_policy_is_told_in_words(tmp_path: Path) -> None:
    file = tmp_path / "guard.yaml"
    file.write_text("""
policy: kids
policies:
  kids:
    threshold: 0.25
    categories: {crime: flag, violence: {action: block, threshold: 0.1}}
    attacks: {injection: [review, {action: block, threshold: 0.9}]}
    judge_system: false
  adults: {operating_point: permissive, on_error: allow}
""")

    result = _RUNNER.invoke(app, ["config", "check", str(file)])

    assert result.exit_code == 0
    first, second, *rest = result.output.splitlines()
    assert first == f"{file}: valid"
    assert second.startswith("policy kids, threshold 0.25, bundle ")
    assert rest == [
        "kids (judges)",
        "  unsafe from 0.25 on (custom, not certified): block",
        "  unsafe and of crime: flag",
        "  category violence from 0.1 on, unsafe or not: block",
        "  attack injection from 0.5 on, unsafe or not: review",
        "  attack injection from 0.9 on, unsafe or not: block",
        "  when Guard fails: block; what cannot be judged: block",
        "  system messages are not judged",
        "adults",
        rest[9],
        "  when Guard fails: allow; what cannot be judged: block",
    ]
    assert "(permissive, not certified): block" in rest[9]


def test_policy_that_blocks_nothing_is_valid_with_a_warning(tmp_path: Path) -> None:
    file = tmp_path / "guard.yaml"
    file.write_text("policy: {unsafe_action: review}\n")

    result = _RUNNER.invoke(app, ["config", "check", str(file)])

    assert result.exit_code == 0
    assert result.stderr == "warning: policy balanced blocks nothing that is unsafe: it only flags or sends to review\n"


def test_tenants_are_shown_with_their_policies_and_without_their_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_KEY", "sk-shop")
    monkeypatch.setenv("BANK_KEY", "sk-bank")
    file = tmp_path / "guard.yaml"
    file.write_text("tenants:\n  shop: {keys: ['env:SHOP_KEY'], policy: strict}\n  bank: {keys: ['env:BANK_KEY']}\n")

    result = _RUNNER.invoke(app, ["config", "check", str(file)])

    assert result.exit_code == 0
    assert result.output.splitlines()[-2:] == ["tenant shop: policy strict", "tenant bank: policy balanced"]
    assert "SHOP_KEY" not in result.output
    assert "sk-" not in result.output


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("admin: {token: 'env:NOT_SET_HERE'}", "admin.token: the environment has no NOT_SET_HERE"),
        ("tenants: {shop: {keys: ['file:no.key']}}", "tenants.shop.keys.0: no.key: No such file or directory"),
        ("tls: {certificate: no.crt}", "tls.certificate: no.crt: no such file"),
        ("upstream: {url: 'http://h', key: 'file:no.key'}", "upstream.key: no.key: No such file or directory"),
        ("upstream: {url: 'http://h', key_env: NOT_SET_HERE}", "upstream.key_env: the environment has no NOT_SET_HERE"),
        (
            "upstream: {url: 'https://h', tls: {ca_file: no.pem}}",
            "upstream.tls.ca_file: no.pem: no such file",
        ),
        (
            "store: {content: {keep: all, key: 'env:NOT_SET_HERE'}}",
            "store.content.key: the environment has no NOT_SET_HERE",
        ),
    ],
)
def test_what_is_named_and_is_not_on_this_machine_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "guard.yaml"
    file.write_text(text + "\n")

    result = _RUNNER.invoke(app, ["config", "check", str(file)])

    assert result.exit_code == 0
    assert result.stderr == f"warning: {said}; a start without it ends with 2\n"


def test_tenants_policy_that_the_bundle_does_not_have_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "guard.yaml"
    file.write_text("tenants: {shop: {keys: ['env:SHOP_KEY'], policy: lax}}\n")

    result = _RUNNER.invoke(app, ["config", "check", str(file)])

    assert isinstance(result.exception, ConfigInvalid)
    assert str(result.exception).startswith("tenants.shop.policy: ")


def test_environment_is_part_of_what_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "guard.yaml"
    file.write_text("mode: shadow\n")
    monkeypatch.setenv("GUARD__LIMITS__MAX_INFLIGHT", "none")

    result = _RUNNER.invoke(app, ["config", "check", str(file)])

    assert str(result.exception).startswith(f"{file} and the environment: limits.max_inflight: ")


def test_two_policies_of_one_name_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "guard.yaml"
    file.write_text("policies:\n  kids: {threshold: 0.3}\n  kids: {threshold: 0.9}\n")

    result = _RUNNER.invoke(app, ["config", "check", str(file)])

    assert str(result.exception) == f"{file}: not YAML: a key occurs twice: 'kids', in line 3 again"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nonsense: 1", "nonsense"),
        ("port: x", "port"),
        ("- 1", "top level"),
        ("a: [", "not YAML: line 1, column 5: "),
        ("a:\n\tb: 1", "not YAML: line 2, column 1: "),
        ("port: 1\nport: 2", "twice"),
        ("port: 2020-99-99", "port: "),
        ("port: " + "9" * 5000, "not YAML"),
        ("port: !!timestamp x", "not YAML"),
        ("port: !!bool x", "not YAML"),
        ("[" * 5000, "nested too deeply"),
        ("policy: {name: lax}", "policy.name: "),
        ("policy: lax", "policy.name: "),
        ("policies: {kids: }", "policies.kids: empty"),
        ("policies: {kids: {categories: {sloth: block}}}", "policies.kids.categories.sloth: unknown category"),
        ("fetch: {allow_networks: [banana]}", "fetch.allow_networks.0: "),
        ("fetch: {ports: [99999]}", "fetch.ports.0: "),
        ("upstream: {url: 'https://api.test/v1?key=1'}", "upstream.url: "),
        ("upstream: {total_timeout_s: .inf}", "upstream.total_timeout_s: "),
        ("threads: 1000000", "threads: "),
        *((f"limits: {{{limit}: .inf}}", f"limits.{limit}: ") for limit in LimitSettings.model_fields),
    ],
)
def test_invalid_file_names_file_and_key(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "guard.yaml"
    file.write_text(text)

    result = _RUNNER.invoke(app, ["config", "check", str(file)])

    assert isinstance(result.exception, ConfigInvalid)
    assert str(result.exception).startswith("policy.name: " if "lax" in text else f"{file}: ")
    assert said in str(result.exception)


@pytest.mark.parametrize("word", ["off", "Off", "OFF"])
def test_off_is_a_word(tmp_path: Path, word: str) -> None:
    file = tmp_path / "guard.yaml"
    file.write_text(f"mode: {word.lower()}\nocr: {{mode: off}}\naccess_log: {word}\nfetch: {{enabled: true}}\n")

    settings = read_settings(file)

    assert (settings.mode, settings.ocr.mode) == (Mode.OFF, "off")
    assert (settings.access_log, settings.fetch.enabled) == (False, True)


@pytest.mark.parametrize("url", ["http://user:secret@h/v1", "http://h/v1?key=secret", "http://h/v1#x"])
def test_url_with_more_than_a_place_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ConfigInvalid, match="credentials") as raised:
        parse_settings({"upstream": {"url": url}}, source="command line")

    assert "secret" not in str(raised.value)


def test_bundle_that_is_not_there_is_named(tmp_path: Path) -> None:
    file = tmp_path / "guard.yaml"
    file.write_text("bundle: /no/such/bundle\n")

    result = _RUNNER.invoke(app, ["config", "check", str(file)])

    assert isinstance(result.exception, BundleInvalid)
    assert "/no/such/bundle" in str(result.exception)


def test_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    result = _RUNNER.invoke(app, ["config", "check", str(tmp_path / "no.yaml")])

    assert str(result.exception) == f"{tmp_path / 'no.yaml'}: No such file or directory"


def test_schema_describes_every_setting() -> None:
    result = _RUNNER.invoke(app, ["config", "schema"])

    assert set(orjson.loads(result.output)["properties"]) == set(parse_settings({}, source="test").model_dump())

"""Tenants: who is known by which key, and what may be said of them in a configuration."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from guard.bundle import Bundle
from guard.config import Settings, parse_settings
from guard.errors import ConfigInvalid, Unauthorized
from guard.server.tenants import open_tenants
from guard.wiring import choose_policies
from tests.server.house import SAFE, Builder, chat
from tests.server.shops import BANK, ENVIRONMENT, SHOP, both, sha256

CHAT = "/v1/chat/completions"


def _find(headers: Mapping[str, str], **settings: Any) -> str | None:
    tenants = open_tenants(Settings.model_validate({"tenants": both(), **settings}), ENVIRONMENT)
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
@pytest.mark.parametrize("tenants", [{}, {"tenants": both()}], ids=["no tenants", "tenants"])
async def test_admin_token_opens_no_llm_api(build: Builder, name: str, tenants: dict[str, Any]) -> None:
    house = build(admin={"token": sha256("the-token-of-the-admin")}, **tenants)
    value = "Bearer the-token-of-the-admin" if name == "authorization" else "the-token-of-the-admin"

    async with house.client() as client:
        answer = await client.post(CHAT, json=chat(SAFE), headers={name: value})

    assert (answer.status_code, house.upstream.sent) == (401, [])


def test_admin_token_is_no_tenants_key() -> None:
    admin = hashlib.sha256(SHOP.encode()).digest()

    with pytest.raises(ConfigInvalid, match=r"the same key as admin\.token"):
        open_tenants(Settings.model_validate({"tenants": both()}), ENVIRONMENT, admin_token=admin)


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
    tenants = open_tenants(Settings.model_validate({"tenants": both()}), ENVIRONMENT)

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

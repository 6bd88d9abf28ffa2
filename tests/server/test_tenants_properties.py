"""Whatever stands in headers and in the environment: a caller is one tenant, nobody, or refused."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from guard.config import Settings
from guard.errors import ConfigInvalid, Unauthorized
from guard.server.tenants import open_tenants
from guard.settings_sources import load_settings

SHOP, BANK = "the-key-of-the-shop-1", "the-key-of-the-bank-1"
TENANTS = open_tenants(
    Settings.model_validate(
        {
            "tenants": {
                name: {"keys": ["sha256:" + hashlib.sha256(key.encode()).hexdigest()]}
                for name, key in (("shop", SHOP), ("bank", BANK))
            }
        }
    ),
    {},
)
_NAMES = st.sampled_from([
    b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key", b"ocp-apim-subscription-key", b"x-guard-token",
    b"cookie", b"host",
])  # fmt: skip
_VALUES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [*(form % key.encode() for key in (SHOP, BANK) for form in (b"%s", b"Bearer %s", b"BEARER \t%s ", b"Basic %s"))]
    ),
)
_HEADERS = st.lists(st.tuples(_NAMES, _VALUES), max_size=6)


@given(_HEADERS)
def test_headers_name_one_tenant_or_nobody_or_are_refused(headers: list[tuple[bytes, bytes]]) -> None:
    tenant, said = None, ""
    try:
        tenant = TENANTS.find(headers)
    except Unauthorized as error:
        said = str(error)
    assert SHOP not in said
    if tenant is not None:
        other = BANK if tenant.name == "shop" else SHOP
        own = [value for name, value in headers if name == b"x-guard-token"]
        looked_at = own or [value for name, value in headers if name not in {b"cookie", b"host", b"x-guard-token"}]
        assert not any(value.strip().endswith(other.encode()) for value in looked_at)


@given(st.dictionaries(st.from_regex(r"GUARD__[A-Za-z_]{0,30}", fullmatch=True), st.text(max_size=20), max_size=4))
def test_environment_gives_settings_or_one_line(environment: dict[str, str]) -> None:
    said = ""
    try:
        load_settings(None, environment)
    except ConfigInvalid as error:
        said = str(error)
    assert "\n" not in said

"""API keys and logins: those of upstreams, from where the settings say, and those that callers put into a query."""

from collections.abc import Mapping
from urllib.parse import unquote_plus

from guard.errors import ConfigInvalid
from guard.secrets import read_secret
from guard.upstream_settings import DEFAULT, OneUpstream

# Where Google's and Azure's APIs, and gateways before others, look for a key beside the headers; in lower case.
_IN_QUERY = frozenset({
    "key", "api-key", "api_key", "apikey", "x-api-key", "x-goog-api-key", "subscription-key",
    "ocp-apim-subscription-key", "access_token", "access-token", "oauth_token", "auth_token", "authorization", "token",
    "code",
})  # fmt: skip


def without_keys(query: str) -> str:
    """Return a query without the parameters in which an LLM API would look for a key."""
    parts = query.replace(";", "&").split("&")
    kept = [part for part in parts if unquote_plus(part.partition("=")[0]).strip().lower() not in _IN_QUERY]
    return query if len(kept) == len(parts) else "&".join(kept)


def own_key(settings: OneUpstream, environment: Mapping[str, str], *, name: str) -> str | None:
    """Return the API key of the settings of an upstream of this name; None where the caller's own is sent.

    Raises:
        ConfigInvalid: it is not where the settings say.
    """
    place = "upstream" if name == DEFAULT else f"upstream.others.{name}"
    if settings.key is not None:
        return read_secret(settings.key, environment, place=f"{place}.key")
    if settings.key_env is not None:
        return _read_variable(environment, settings.key_env, setting=f"{place}.key_env")
    return None


def proxy_login(settings: OneUpstream, environment: Mapping[str, str]) -> tuple[str, str] | None:
    """Return user and password for the proxy of the settings; None without.

    Raises:
        ConfigInvalid: they are not where the settings say, or not two.
    """
    if settings.proxy_login is not None:
        setting = "upstream.proxy_login"
        login = read_secret(settings.proxy_login, environment, place=setting)
    elif settings.proxy_login_env is not None:
        setting = "upstream.proxy_login_env"
        login = _read_variable(environment, settings.proxy_login_env, setting=setting)
    else:
        return None
    user, colon, password = login.partition(":")
    if not colon:
        raise ConfigInvalid(f"{setting}: {settings.proxy_login or settings.proxy_login_env} must hold USER:PASSWORD")
    return user, password


def _read_variable(environment: Mapping[str, str], name: str, *, setting: str) -> str:
    value = environment.get(name, "").strip()
    if not value or not value.isprintable() or not value.isascii():
        raise ConfigInvalid(f"{setting}: the environment variable {name} is not set, or holds no key")
    return value

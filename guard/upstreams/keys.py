"""API keys and logins of upstreams, read from the environment."""

from collections.abc import Mapping

from guard.errors import ConfigInvalid


def read_key(environment: Mapping[str, str], name: str, *, setting: str) -> str:
    """Return the value of an environment variable. Raises ConfigInvalid, which names the variable: it is not set."""
    value = environment.get(name, "").strip()
    if not value or not value.isprintable() or not value.isascii():
        raise ConfigInvalid(f"{setting}: the environment variable {name} is not set, or holds no key")
    return value

"""Secrets that the configuration names: read once, and never shown."""

from collections.abc import Mapping
from pathlib import Path

from guard.errors import ConfigInvalid

_MOST_BYTES = 65_536


def read_secret(reference: str, environment: Mapping[str, str], *, place: str) -> str:
    """Return the secret behind `env:NAME` or `file:PATH`; `place` names the setting in messages.

    Raises:
        ConfigInvalid: it is not there, or is no line of printed ASCII characters; the message never shows it.
    """
    kind, _, where = reference.partition(":")
    if kind == "env":
        if where not in environment:
            raise ConfigInvalid(f"{place}: the environment has no {where}")
        secret = environment[where]
    else:
        secret = _read_file(Path(where), place)
    if not secret or not secret.isascii() or not secret.isprintable() or secret != secret.strip():
        raise ConfigInvalid(f"{place}: {reference} is empty or not one line of printed ASCII characters")
    return secret


def _read_file(path: Path, place: str) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES)
    except OSError as error:
        raise ConfigInvalid(f"{place}: {path}: {error.strerror}") from error
    return raw.decode("latin-1").removesuffix("\n").removesuffix("\r")

"""Secrets that the configuration names: read once, kept as digests where they are only compared, never shown."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from guard.errors import ConfigInvalid

_FEWEST_CHARS = 16
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


def digest_of_key(reference: str, environment: Mapping[str, str], *, place: str) -> bytes:
    """Return the SHA-256 of a key, which may also be given as `sha256:HEX`. Raises ConfigInvalid, as `read_secret`."""
    kind, _, written = reference.partition(":")
    if kind == "sha256":
        return bytes.fromhex(written)
    secret = read_secret(reference, environment, place=place)
    if len(secret) < _FEWEST_CHARS:
        raise ConfigInvalid(f"{place}: {reference} has {len(secret)} characters, a key needs {_FEWEST_CHARS}")
    return digest(secret)


def digest(secret: str) -> bytes:
    """Return the SHA-256 of a secret as a header bears it."""
    return hashlib.sha256(secret.encode("latin-1")).digest()


def _read_file(path: Path, place: str) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES)
    except OSError as error:
        raise ConfigInvalid(f"{place}: {path}: {error.strerror}") from error
    return raw.decode("latin-1").removesuffix("\n").removesuffix("\r")

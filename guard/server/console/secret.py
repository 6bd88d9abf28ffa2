"""What signs the console's sessions: the secret of the settings, or one that this machine makes and keeps."""

import logging
import os
import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path

from guard.errors import ConfigInvalid
from guard.plain_files import read_plain
from guard.server.keys import read_secret
from guard.state_folder import state_folder

FEWEST_CHARS = 32
_NAME = "console.key"
_log = logging.getLogger("guard.server")


def session_secret(reference: str | None, environment: Mapping[str, str]) -> bytes:
    """Return the secret behind `admin.session_key`, or the kept one, which is made where there is none yet.

    Raises:
        ConfigInvalid: the one of the settings cannot be read, or is too short.
    """
    if reference is not None:
        secret = read_secret(reference, environment, place="admin.session_key")
        if len(secret) < FEWEST_CHARS:
            raise ConfigInvalid(
                f"admin.session_key: {reference} has {len(secret)} characters, a key needs {FEWEST_CHARS}"
            )
        return secret.encode("latin-1")
    try:
        return _kept(state_folder(environment) / _NAME)
    except (OSError, RuntimeError) as error:
        # A home that is not there, or read-only. With several workers, each would know its own sessions only.
        reason = getattr(error, "strerror", None) or type(error).__name__
        _log.warning("sessions of the console end with this process: its key cannot be kept (%s)", reason)
        return secrets.token_bytes(FEWEST_CHARS)


def _kept(path: Path) -> bytes:
    """Return the secret in a file. Whoever of several processes links its own there first decides for all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        handle, made = tempfile.mkstemp(dir=path.parent)
        try:
            with os.fdopen(handle, "w") as file:
                file.write(secrets.token_urlsafe(FEWEST_CHARS))
            os.link(made, path)
        except FileExistsError:
            pass
        finally:
            Path(made).unlink()
    kept = read_plain(path, most_bytes=4096)
    if len(kept) < FEWEST_CHARS:
        raise OSError(f"{path} is too short")
    return kept

"""Where Guard keeps things on a machine when nobody says where: decisions, the console's key, candidate bundles."""

from collections.abc import Mapping
from pathlib import Path


def state_folder(environment: Mapping[str, str]) -> Path:
    """Return `$XDG_STATE_HOME/guard`, or `~/.local/state/guard` where that is not set or not absolute, as XDG has it.

    Raises RuntimeError: there is no home folder either.
    """
    declared = environment.get("XDG_STATE_HOME", "")
    if declared.startswith("/"):
        return Path(declared) / "guard"
    home = environment.get("HOME")
    return (Path(home) if home else Path.home()) / ".local" / "state" / "guard"

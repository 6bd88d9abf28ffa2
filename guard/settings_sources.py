"""Where settings come from: one YAML file, the environment over it, and the command line over both."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from guard.config import Settings, parse_settings, parse_yaml, read_yaml
from guard.errors import ConfigInvalid

# Two underscores: Kubernetes puts GUARD_PORT and the like into every container beside a service of the name guard.
PREFIX = "GUARD__"


def load_settings(
    file: Path | None, environment: Mapping[str, str], options: Mapping[str, object] | None = None
) -> Settings:
    """Return the settings of a file, the environment and the command line, the later ones winning key by key.

    Args:
        file: None for none.
        environment: `GUARD__LIMITS__MAX_INFLIGHT=8` stands for `limits: {max_inflight: 8}`.
        options: of the command line, `upstream` and `store` being their URLs.

    Raises:
        ConfigInvalid: from any of the three; the message names which.
    """
    document = None if file is None else read_yaml(file)
    document = {} if document is None else document
    given = _of_environment(environment)
    source = str(file) if file is not None else "environment"
    if given:
        if not isinstance(document, dict):
            raise ConfigInvalid(f"{source}: top level: must be a mapping")
        document = _onto(document, given, PREFIX.removesuffix("__"))
        source = f"{file} and the environment" if file is not None else "environment"
    settings = parse_settings(document, source=source)
    if not options:
        return settings
    over = dict(options)
    urls = {section: over.pop(section) for section in ("upstream", "store") if section in over}
    whole = settings.model_dump(mode="json") | over
    for section, url in urls.items():
        whole[section]["url"] = url
    return parse_settings(whole, source="command line")


def _of_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in sorted(environment):
        if not name.startswith(PREFIX):
            continue
        *sections, key = name.removeprefix(PREFIX).lower().split("__")
        inside = found
        for section in sections:
            inside = inside.setdefault(section, {})
            if not isinstance(inside, dict):
                raise ConfigInvalid(f"{name}: another variable gives the whole section")
        if not key or not all(sections) or key in inside:
            raise ConfigInvalid(f"{name}: names no setting, or one that another variable names too")
        inside[key] = parse_yaml(environment[name], source=name)
    return found


def _onto(document: dict[Any, Any], given: dict[str, Any], place: str) -> dict[Any, Any]:
    merged = dict(document)
    for key, value in given.items():
        before = merged.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            merged[key] = _onto(before, value, f"{place}__{key.upper()}")
        elif isinstance(value, dict) and before is not None:
            raise ConfigInvalid(f"{place}__{key.upper()}: the file gives no section here, so it cannot be added to")
        else:
            merged[key] = value
    return merged

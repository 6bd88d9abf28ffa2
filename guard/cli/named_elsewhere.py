"""What a configuration names and this machine does not have: secrets, keys and certificates."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from guard.config import Settings
from guard.errors import ConfigInvalid
from guard.secrets import read_secret

_REFERENCE = re.compile(r"env:[A-Za-z_]\w*|file:.+")
_VARIABLE = re.compile(r"(?:^|\.)\w+_env$")
_FILE = re.compile(r"^tls\.\w+$|^upstream\..*\w+_file$")


def missing_here(settings: Settings, environment: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each secret, key or certificate that the settings name and that cannot be read here."""
    for place, value in _texts(settings.model_dump(mode="json"), ""):
        if _REFERENCE.fullmatch(value):
            try:
                read_secret(value, environment, place=place)
            except ConfigInvalid as error:
                yield str(error)
        elif _VARIABLE.search(place) and value not in environment:
            yield f"{place}: the environment has no {value}"
        elif _FILE.search(place) and not Path(value).is_file():
            yield f"{place}: {value}: no such file"


def _texts(value: object, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(inner, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _texts(inner, f"{place}.{number}")

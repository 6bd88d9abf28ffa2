"""YAML read strictly: a word is a word, no key occurs twice, and whatever is wrong is one line."""

import re
from pathlib import Path
from typing import Any

import yaml

from guard.errors import ConfigInvalid

_MOST_KEY_CHARS = 80
_BOOL, _TIMESTAMP = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp"


class _StrictLoader(yaml.SafeLoader):
    """YAML in which a word is a word, and no key occurs twice: the later one would win unseen.

    YAML 1.1 reads `mode: off` as false and `2020-99-99` as a date; here only true and false are truth values, as in
    YAML 1.2, and there are no dates.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return the mapping of a node. Raises ConstructorError for a key that occurs twice."""
        seen: set[str] = set()
        for key, _ in node.value:
            name = str(key.value)
            if name in seen:
                problem = f"a key occurs twice: {name[:_MOST_KEY_CHARS]!r}, in line {key.start_mark.line + 1} again"
                raise yaml.constructor.ConstructorError(problem=problem)
            seen.add(name)
        return super().construct_mapping(node, deep)


_StrictLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in {_BOOL, _TIMESTAMP}]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_StrictLoader.add_implicit_resolver(_BOOL, re.compile(r"(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))


def read_yaml(path: Path) -> object:
    """Return what a YAML file (or JSON, which is YAML too) holds; None when it holds nothing.

    Raises:
        ConfigInvalid: the file cannot be read, is not YAML, or has a key that occurs twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigInvalid(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigInvalid(f"{path}: not YAML: not UTF-8") from error
    return parse_yaml(text, source=str(path))


def parse_yaml(text: str, *, source: str) -> object:
    """Return what a YAML text says; `source` is named in the message. Raises ConfigInvalid, as `read_yaml`."""
    try:
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a SafeLoader
    except RecursionError as error:
        raise ConfigInvalid(f"{source}: not YAML: nested too deeply") from error
    # PyYAML lets errors of its own converters through: a number of 5,000 digits, a tag that does not fit its value.
    except (yaml.YAMLError, ValueError, LookupError, AttributeError) as error:
        raise ConfigInvalid(f"{source}: not YAML: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """Return the place and what is wrong there in one line, without what stands there."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem is None:
        return " ".join(str(error).split())
    mark = error.problem_mark
    place = "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: "
    return f"{place}{' '.join(error.problem.split())}"

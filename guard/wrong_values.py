"""What is wrong in a document that a person wrote, in one line: where, what, and what was probably meant."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

_MOST_KEY_CHARS = 60  # of a key, in a message
_UNKNOWN = "extra_forbidden"
_NO_MAPPING = frozenset({"dict_type", "model_type", "model_attributes_type", "mapping_type"})


def first_wrong(error: ValidationError, model: type[BaseModel]) -> str:
    """Return the first of the errors, unknown keys before others, as `place: what is wrong`, and how many more follow.

    Args:
        error: of validating a document.
        model: that it was validated as.
    """
    # A key that is misspelt is also one that is missing: the former says more.
    first = min(error.errors(include_url=False, include_input=False), key=lambda each: each["type"] != _UNKNOWN)
    # "[key]" is Pydantic's word for: it is the key that is wrong, not its value.
    loc = tuple(part for part in first["loc"] if part != "[key]")
    place = ".".join(_shown(part) for part in loc) or "top level"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{place}: {_said(first['type'], loc, first['msg'], model)}{more}"


def _said(kind: str, loc: tuple[int | str, ...], message: str, model: type[BaseModel]) -> str:
    if kind == _UNKNOWN:
        names = _keys(_models_at(model, loc[:-1]))
        near = get_close_matches(str(loc[-1]), names, n=1)
        if near:
            return f"unknown key; did you mean {near[0]}?"
        return f"unknown key; there are {', '.join(names)}" if names else "unknown key"
    if kind in _NO_MAPPING and (names := _keys(_models_at(model, loc))):
        return f"wants a mapping with keys among {', '.join(names)}"
    return message.removeprefix("Value error, ")


def _keys(models: list[type[BaseModel]]) -> list[str]:
    """Return the keys of these models as documents spell them, each once."""
    fields = [item for each in models for item in each.model_fields.items()]
    return list(dict.fromkeys(field.alias or name for name, field in fields))


def _models_at(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[type[BaseModel]]:
    """Return the models that may stand at a place of a document; none where Pydantic's place names no field."""
    found = [model]
    for part in loc:
        below = [
            inner
            for each in found
            for name, field in each.model_fields.items()
            if part in (name, field.alias)
            for inner in _models_in(field.annotation)
        ]
        # A key of a mapping, an index, or the name of an alternative: the models are those already found.
        found = below or (found if found != [model] else [])
    return found


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)


def _shown(part: int | str) -> str:
    """Return a key or an index as a message may show it: one line, whatever was written."""
    shown = str(part)[:_MOST_KEY_CHARS]
    return shown if shown.isprintable() else ascii(shown)

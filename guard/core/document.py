"""JSON documents read strictly and written so that nothing changed on the way.

Two parsers that read one body differently would let a text through that nobody judged. So what has two readings is
refused (duplicate keys, lone surrogates, NaN, other encodings than UTF-8), and what is sent on is written anew from
what was read. Numbers that a Python float or int would change travel as they were written.
"""

import json
from dataclasses import dataclass
from typing import Any, Final

import orjson

from guard.core.lifting import lift, put_back
from guard.errors import RequestInvalid

# Decimal digits that fit a 64-bit integer whatever they are; longer ones travel as written.
_SAFE_DIGITS = 18


# Each value takes some 60 bytes of memory, so that 50 MB of empty lists would take a gigabyte.
_MOST_VALUES = 250_000


@dataclass(frozen=True, slots=True)
class Number:
    """A JSON number as it was written: every fraction, and integers that do not fit 64 bits."""

    written: str


def read_document(body: bytes) -> dict[str, Any]:
    """Return the JSON object in a request body. Raises RequestInvalid, as `read_json` and where it is no object."""
    document = read_json(body)
    if not isinstance(document, dict):
        raise RequestInvalid("the body is not a JSON object")
    return document


def read_json(body: bytes) -> Any:
    """Return the JSON value in a request body: dict, list, str, int, bool, None and `Number`.

    Raises:
        RequestInvalid: not UTF-8, not JSON, nested too deeply, NaN or Infinity, a key twice, or more values than any
            conversation has.
    """
    lifted = lift(body)
    if lifted is not None:
        _require_few_values(lifted.body)
        try:
            value = _parse(lifted.body)
        except _NotJson:
            pass  # the body's own parse says where
        else:
            if put_back(value, lifted.strings):
                return value
    _require_few_values(body)
    try:
        return _parse(body)
    except _NotJson as error:
        raise RequestInvalid(str(error)) from error


def _require_few_values(body: bytes) -> None:
    # Commas and brackets in texts count as well: a million characters of prose have some 30,000.
    if len(body) > _MOST_VALUES and sum(map(body.count, (b",", b"[", b"{"))) > _MOST_VALUES:
        raise RequestInvalid(f"the body holds more than {_MOST_VALUES:,} values")


class _NotJson(Exception):
    """What does not parse, and where."""


def _parse(body: bytes) -> Any:
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise _NotJson(f"the body is not UTF-8 at byte {error.start}") from error
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise _NotJson(f"the body is not JSON: {error.msg} at character {error.pos}") from error
    except RecursionError as error:
        raise _NotJson("the body is nested too deeply") from error


def write_document(document: dict[str, Any]) -> bytes:
    """Return the document as compact JSON in UTF-8.

    Raises:
        RequestInvalid: it holds a lone surrogate, or is nested more than 254 deep.
    """
    try:
        return orjson.dumps(document, default=_as_written, option=orjson.OPT_PASSTHROUGH_DATACLASS)
    except orjson.JSONEncodeError as error:
        raise RequestInvalid("the body holds a lone surrogate or is nested too deeply") from error


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    object_ = dict(pairs)
    if len(object_) != len(pairs):
        raise RequestInvalid("the body holds an object with a key that occurs twice")
    return object_


def _integer(written: str) -> int | Number:
    return int(written) if len(written) <= _SAFE_DIGITS and written != "-0" else Number(written)


def _no_constant(name: str) -> None:
    raise RequestInvalid(f"the body is not JSON: {name} is not a number there")


def _as_written(value: object) -> orjson.Fragment:
    if isinstance(value, Number):
        return orjson.Fragment(value.written.encode())
    raise TypeError(type(value).__name__)


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_without_duplicates, parse_float=Number, parse_int=_integer, parse_constant=_no_constant
)

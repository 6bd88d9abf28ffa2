"""JSON of an answer, read so that nobody can read the bytes that are sent on in another way."""

import re
from typing import Any

import orjson

from guard.core.document import read_json
from guard.errors import RequestInvalid

# Numbers of that many digits are changed by a double.
_LONG_NUMBER = re.compile(rb"[0-9]{16}")


def parse_event(data: bytes) -> tuple[Any, bytes]:
    """Return the JSON value of an event, and the bytes to send for it: written anew, or else as they came.

    Raises:
        RequestInvalid: it is not JSON, or two readers may find different things in it.
    """
    if not _LONG_NUMBER.search(data):
        try:
            return _anew(data)
        except orjson.JSONDecodeError:
            pass  # halves of letters, which some servers spread over two events
    return read_json(data), data


def parse_answer(body: bytes) -> tuple[Any, bytes]:
    """Return the JSON value of a complete answer, and the bytes to send for it: as they came, or else written anew.

    Raises:
        RequestInvalid: it is not JSON.
    """
    try:
        return read_json(body), body
    except RequestInvalid:
        try:
            return _anew(body)  # a key twice, or more values than any request has: log probabilities do
        except orjson.JSONDecodeError as error:
            raise RequestInvalid("the answer is not JSON") from error


def _anew(data: bytes) -> tuple[Any, bytes]:
    document = orjson.loads(data)
    return document, orjson.dumps(document)

"""Long strings taken out of JSON and put back: nobody can tell that they were gone."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from guard.core import document
from guard.core.document import read_json, write_document
from guard.core.lifting import lift, put_back
from guard.errors import RequestInvalid

LONG = "QUJD" * 10_000
URL = f"data:image/png;base64,{LONG}"


def _outcome(body: bytes) -> Any:
    try:
        return read_json(body)
    except RequestInvalid as error:
        return str(error)


def _plain(body: bytes) -> Any:
    """What reading gives where nothing is lifted."""
    try:
        return document._parse(body)
    except (RequestInvalid, document._NotJson) as error:
        return str(error)


@pytest.mark.parametrize("long", [LONG, URL, URL.replace("data", "DATA"), f"{LONG}, and prose: behind it"])
def test_long_string_is_lifted_and_put_back(long: str) -> None:
    value = {"a": [1, {"url": long, "detail": "low"}, long], "b": long, "c": "short"}
    body = json.dumps(value).encode()

    lifted = lift(body)

    assert lifted is not None
    assert len(lifted.body) < 500
    assert len(lifted.strings) == 3
    assert read_json(body) == value
    assert write_document(read_json(body)) == json.dumps(value, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":"' + LONG.encode() + b'\\n"}',
        b'{"a":"' + LONG.encode() + b'\n"}',
        b'{"a":"' + LONG.encode() + b'\x00"}',
        b'{"a":"' + LONG.encode() + '\u00e9"}'.encode(),
        b'{"a":"' + LONG.encode() + b'\xff"}',
        b'{"a":"x\\"' + LONG.encode() + b'"}',
        b'{"a":"\\\\","b":"' + LONG.encode() + b'"}',
        b'{"a":"x"' + LONG.encode() + b'"y"}',
        b'{"' + LONG.encode() + b'":1,"' + LONG.encode() + b'":2}',
        b'{"' + LONG.encode() + b'":1}',
        b'"' + LONG.encode() + b'"',
        b'{"a":"' + LONG.encode(),
        b'{"a":"' + LONG.encode() + b'"',
        b'{"a":"' + LONG.encode() + b'","a":1}',
        b'{"a":"' + LONG.encode() + b'","b":NaN}',
        b'{"a":"' + LONG.encode() + b'","b":1.50}',
        b'{"a":"' + LONG.encode() + b'","b":\xff}',
        b'{"a":"' + LONG.encode() + b'","b":' + b"[" * 100_000,
        b'{"a":"b"' + b" " * 70_000 + b',"c":"' + LONG.encode() + b'"}',
        b'{"a":["' + b'","'.join([LONG.encode()] * 5) + b'"]}',
        b'\xef\xbb\xbf{"a":"' + LONG.encode() + b'"}',
    ],
    ids=lambda body: repr(body[:12] + b"..." + body[-14:]),
)
def test_body_reads_as_if_nothing_had_been_lifted(body: bytes) -> None:
    assert _outcome(body) == _plain(body)


_TEXTS = st.sampled_from(["", "x", '"', "\\", '\\"', LONG, URL, LONG + '"', LONG + "\\", "\n" + LONG, LONG + "\u00e9"])
_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), _TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_TEXTS, inner, max_size=3)),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(value=_VALUES, is_ascii=st.booleans(), blanks=st.sampled_from([None, 2]))
def test_any_value_survives(value: Any, is_ascii: bool, blanks: int | None) -> None:
    body = json.dumps(value, ensure_ascii=is_ascii, indent=blanks).encode()

    assert _outcome(body) == _plain(body)


_PIECES = st.sampled_from(
    [b'"', b"\\", b",", b":", b"{", b"}", b"[", b"]", b"data:x,", b" ", b"1", LONG.encode(), b"\x01"]
)


@settings(max_examples=200, deadline=None)
@given(pieces=st.lists(_PIECES, max_size=12))
@example(pieces=[b"[", b'"', LONG.encode(), b'"', LONG.encode(), b'"', b"]"])
@example(pieces=[b'"', b"\\", b'"', LONG.encode(), b'"'])
def test_any_bytes_read_as_if_nothing_had_been_lifted(pieces: list[bytes]) -> None:
    body = b"".join(pieces)

    assert _outcome(body) == _plain(body)


def test_quotes_without_end_take_linear_time() -> None:
    assert lift(b'""' * 2_000_000) is None


def test_names_are_new_each_time() -> None:
    body = json.dumps({"a": LONG}).encode()
    first, second = lift(body), lift(body)

    assert first is not None
    assert second is not None
    assert first.strings.keys() != second.strings.keys()


def test_string_without_a_place_is_told() -> None:
    assert not put_back({"name": 1}, {"name": LONG})
    assert not put_back("name", {"name": LONG})

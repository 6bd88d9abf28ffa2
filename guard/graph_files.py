"""Which files an ONNX graph reads beside itself, read from its bytes: serving has no package `onnx`.

A tensor may lie outside of the graph ("external data"), in a file that the graph names. The manifest has to name it
too, or no digest would cover the weights. The walk below goes through every message of the format that can hold a
tensor, and skips all else by its length; the numbers of fields are those of onnx.proto. What another reader could take
for another field is refused: a tag of more than 32 bits, a number in more bytes than it needs.
"""

import mmap
import os
from collections.abc import Iterator
from pathlib import Path

from guard.errors import BundleInvalid
from guard.plain_files import open_plain

_TENSOR, _ENTRY, _NODE = "tensor", "entry", "node"
# Message -> number of a field -> the message that it holds.
INSIDE: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: _NODE, 11: "attribute"},
    "graph": {1: _NODE, 5: _TENSOR, 15: "sparse"},
    _NODE: {5: "attribute"},
    "attribute": {5: _TENSOR, 6: "graph", 10: _TENSOR, 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: _TENSOR, 2: _TENSOR},
    _TENSOR: {13: _ENTRY},
}
_KEY, _VALUE, _OP_TYPE = 1, 2, 4
_OTHER_FORMAT = b"ORTM"  # at bytes 4 to 8: ONNX Runtime reads its own format, whatever else the bytes mean
_CONTEXT = b"EPContext"  # a compiled engine, in a file that a provider would load


def files_read_by(path: Path) -> frozenset[str]:
    """Return the names of the files that the graph in a file reads its weights from.

    Raises:
        BundleInvalid: the file is no ONNX graph, or names a file in another way than by UTF-8 external data.
    """
    with open_plain(path) as file:
        if os.fstat(file.fileno()).st_size == 0:
            return frozenset()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as whole:
            return _read_by(whole, path)


def files_read_by_bytes(graph: bytes, path: Path) -> frozenset[str]:
    """Return the names of the files that a graph in memory reads its weights from; `path` is for the errors."""
    return _read_by(memoryview(graph), path)


def _read_by(whole: memoryview, path: Path) -> frozenset[str]:
    if whole[4:8] == _OTHER_FORMAT:
        raise BundleInvalid(f"{path}: cannot be loaded: a graph in ONNX Runtime's own format, not in ONNX")
    try:
        return frozenset(_locations(whole))
    except ValueError as error:
        raise BundleInvalid(f"{path}: cannot be loaded: not an ONNX graph: {error}") from error


def _locations(whole: memoryview) -> Iterator[str]:
    waiting = [("model", 0, len(whole))]
    while waiting:
        kind, start, end = waiting.pop()
        inside = INSIDE.get(kind, {})
        keys: list[bytes] = []
        values: list[bytes] = []
        for number, at, until in _fields(whole, start, end):
            if number in inside:
                waiting.append((inside[number], at, until))
            elif kind == _NODE and number == _OP_TYPE and whole[at:until] == _CONTEXT:
                raise ValueError("it holds an engine that was compiled elsewhere")
            elif kind == _ENTRY and number in (_KEY, _VALUE):
                (keys if number == _KEY else values).append(bytes(whole[at:until]))
        # Readers take the last key and the last value, and whoever writes several of them is up to something.
        if b"location" in keys:
            yield from (value.decode() for value in values)


def _fields(whole: memoryview, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield number, start and end of the fields with a length; others hold numbers. Raises ValueError."""
    while at < end:
        tag, at = _varint(whole, at, end)
        if not 8 <= tag < 2**32:  # protobuf cuts a tag to 32 bits, and would see a field that this walk does not
            raise ValueError("a field of no known number")
        match tag & 7:
            case 0:
                _, at = _varint(whole, at, end)
            case 1:
                at += 8
            case 2:
                length, at = _varint(whole, at, end)
                if length > end - at:
                    raise ValueError("cut short")
                yield tag >> 3, at, at + length
                at += length
            case 5:
                at += 4
            case _:
                raise ValueError("a field of an unknown kind")
        if at > end:
            raise ValueError("cut short")


def _varint(whole: memoryview, at: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= end:
            raise ValueError("cut short")
        byte = whole[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if (byte == 0 and shift) or value >= 2**64:
                raise ValueError("a number written in an unusual way")
            return value, at
    raise ValueError("a number of more than ten bytes")

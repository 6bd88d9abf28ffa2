"""Long plain strings taken out of JSON before it is parsed, and put back behind it.

A picture in base64 is one string of megabytes in which nothing has to be looked at: no quote, no escape. The parser
looks at each character all the same. Where the strings are is found by searching for quotes alone.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

# Shorter ones cost more to lift than to parse.
_LONG = 2**15
# How such a string begins. Behind the quote that ends a string no JSON goes on like this, so it is one that begins one.
_BEGINNING = re.compile(rb"(?:data:[a-z0-9/+.;=-]{1,100},)?[A-Za-z0-9+/]{64}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Lifted:
    """JSON with a name in place of each long string; the names are random, so that no caller can write one."""

    body: bytes
    strings: Mapping[str, str]  # by name


def lift(body: bytes) -> Lifted | None:
    """Return what is left of a JSON body without its long plain strings; None where there is none.

    Whether it is JSON at all remains to be found out: the rest is JSON if and only if the body is.
    """
    if len(body) < _LONG:
        return None
    pieces: list[bytes] = []
    strings: dict[str, str] = {}
    prefix = ""
    kept = 0
    quote = body.find(b'"')
    while quote >= 0:
        nearer = body.rfind(b'"', quote + 1, quote + _LONG)
        if nearer >= 0:
            quote = nearer  # whatever begins before it is short
            continue
        end = body.find(b'"', quote + _LONG)
        if end < 0:
            break
        plain = _plain_string(body, quote, end)
        if plain is not None:
            prefix = prefix or os.urandom(16).hex()
            name = f"{prefix}{len(strings)}"
            strings[name] = plain
            pieces += [body[kept : quote + 1], name.encode()]
            kept = end
            quote = body.find(b'"', end + 1)
        else:
            quote = end
    return Lifted(b"".join([*pieces, body[kept:]]), strings) if strings else None


def put_back(value: Any, strings: Mapping[str, str]) -> bool:
    """Put lifted strings back into a parsed value, in place; return whether each one had its place there.

    One that stands for a key, or for the whole document, has none: then the body has to be parsed as it is.
    """
    missing = len(strings)
    unseen = [value] if isinstance(value, dict | list) else []
    while unseen and missing:
        below = unseen.pop()
        for key, inner in list(below.items() if isinstance(below, dict) else enumerate(below)):
            if isinstance(inner, str):
                if inner in strings:
                    below[key] = strings[inner]
                    missing -= 1
            elif isinstance(inner, dict | list):
                unseen.append(inner)
    return missing == 0


def _plain_string(body: bytes, quote: int, end: int) -> str | None:
    """Return what stands between two quotes, where it is a whole JSON string without escapes, in ASCII."""
    if body[quote - 1 : quote] == b"\\" or not _BEGINNING.match(body, quote + 1, end):
        return None
    if body.find(b"\\", quote + 1, end) >= 0:
        return None
    if np.frombuffer(body, np.uint8, end - quote - 1, quote + 1).min() < 0x20:
        return None
    try:
        return str(memoryview(body)[quote + 1 : end], "ascii")
    except UnicodeDecodeError:
        return None

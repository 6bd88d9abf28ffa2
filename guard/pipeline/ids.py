"""Ids of decisions: 32 hexadecimal digits that nobody can guess."""

import os
from collections.abc import Callable, Iterator

_ID_BYTES = 16
_AT_ONCE = 256


def fresh_ids(draw: Callable[[int], bytes] = os.urandom) -> Iterator[str]:
    """Yield ids for ever. Randomness is drawn for many of them: each draw lets another thread have the interpreter."""
    while True:
        drawn = draw(_ID_BYTES * _AT_ONCE).hex()
        for start in range(0, len(drawn), 2 * _ID_BYTES):
            yield drawn[start : start + 2 * _ID_BYTES]

"""Which HTTP headers belong to the message, and which to one connection only (RFC 9110, section 7.6.1)."""

from collections.abc import Iterable
from functools import cache

_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


@cache
def _never_on(drop: frozenset[str]) -> frozenset[str]:
    return _HOP_BY_HOP | drop


def end_to_end(headers: Iterable[tuple[bytes, bytes]], *, drop: frozenset[str]) -> list[tuple[str, str]]:
    """Return the headers that travel on, names in lower case, in order; repeated ones stay repeated.

    Text is UTF-8 with surrogate escapes, so that encoding it in the same way gives the bytes that came.

    Args:
        headers: as received, bytes as they came.
        drop: further names that do not travel, in lower case.
    """
    decoded = [
        (name.decode("utf-8", "surrogateescape").lower(), value.decode("utf-8", "surrogateescape"))
        for name, value in headers
    ]
    dropped = _never_on(drop)
    for name, value in decoded:
        if name == "connection":
            dropped = dropped | {option.strip().lower() for option in value.split(",")}
    return [(name, value) for name, value in decoded if name not in dropped]

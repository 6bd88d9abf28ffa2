"""A request's body, read within limits: bytes, time, and bytes after inflating."""

import asyncio
import zlib
from collections.abc import Callable

from starlette.types import Receive

from guard.config import LimitSettings
from guard.errors import BodyTimeout, BodyTooLarge, EncodingUnsupported, RequestInvalid

# zlib's window bits: 31 reads gzip, 47 gzip or zlib. "deflate" means zlib, and some clients send the bare stream.
_GZIP_BITS, _ZLIB_BITS, _BARE_BITS = 31, 47, -15


class ClientLeft(Exception):
    """The client closed the connection: nobody is there to be answered."""


async def read_body(
    receive: Receive, limits: LimitSettings, *, announced: int | None, hold: Callable[[int], None]
) -> bytes:
    """Return the body as it was sent, still compressed if it came so.

    Args:
        receive: ASGI's.
        announced: the length that the head states, if it does.
        hold: called with the size of each part before the next is read; may raise `Overloaded`.

    Raises:
        BodyTooLarge: more than `max_body_bytes`, found from the head alone where the head says so.
        BodyTimeout: not complete after `body_timeout_s`.
        ClientLeft: the connection closed before the end.
    """
    if announced is not None and announced > limits.max_body_bytes:
        raise BodyTooLarge(f"{announced:,} bytes, limit is {limits.max_body_bytes:,}")
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(limits.body_timeout_s):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientLeft
                part = message.get("body", b"")
                size += len(part)
                if size > limits.max_body_bytes:
                    raise BodyTooLarge(f"more than {limits.max_body_bytes:,} bytes")
                hold(len(part))
                parts.append(part)
                if not message.get("more_body", False):
                    return parts[0] if len(parts) == 1 else b"".join(parts)
    except TimeoutError as error:
        raise BodyTimeout(f"the body was not complete after {limits.body_timeout_s:g} s") from error


def inflate(body: bytes, encoding: str, limits: LimitSettings) -> bytes:
    """Return the body without its content encoding (`gzip`, `deflate`, `identity` or none).

    Raises:
        EncodingUnsupported: another encoding, or more than one.
        BodyTooLarge: more than `max_body_bytes` after inflating; no more than that is ever held.
        RequestInvalid: the compressed stream is damaged, cut short, or followed by something else.
    """
    match encoding.strip().lower():
        case "" | "identity":
            return body
        case "gzip" | "x-gzip":
            return _inflate(body, _GZIP_BITS, limits.max_body_bytes)
        case "deflate":
            has_header = len(body) >= 2 and body[0] & 0x0F == 8 and (body[0] << 8 | body[1]) % 31 == 0
            return _inflate(body, _ZLIB_BITS if has_header else _BARE_BITS, limits.max_body_bytes)
        case _:
            raise EncodingUnsupported("content-encoding must be gzip, deflate or identity, once")


def _inflate(body: bytes, window_bits: int, limit: int) -> bytes:
    stream = zlib.decompressobj(window_bits)
    try:
        inflated = stream.decompress(body, limit + 1)
    except zlib.error as error:
        raise RequestInvalid("the compressed body is damaged") from error
    if len(inflated) > limit:
        raise BodyTooLarge(f"more than {limit:,} bytes after inflating")
    if not stream.eof:
        raise RequestInvalid("the compressed body is cut short")
    if stream.unused_data:
        raise RequestInvalid("the compressed body has something behind its end")
    return inflated

import asyncio
import gzip
import zlib
from collections.abc import Callable

import pytest
from starlette.types import Message, Receive

from guard.config import LimitSettings
from guard.errors import BodyTimeout, BodyTooLarge, EncodingUnsupported, Overloaded, RequestInvalid
from guard.server.body import ClientLeft, inflate, read_body

_LIMITS = LimitSettings(max_body_bytes=1000, max_buffered_bytes=1000, body_timeout_s=0.1)


def _receive(*parts: bytes, then_hang: bool = False, then_leave: bool = False) -> Receive:
    messages: list[Message] = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    if then_leave:
        messages.append({"type": "http.disconnect"})
    elif not then_hang:
        messages.append({"type": "http.request", "body": b"", "more_body": False})
    queue = iter(messages)

    async def receive() -> Message:
        message = next(queue, None)
        if message is None:
            await asyncio.Event().wait()
            raise AssertionError("unreachable")
        return message

    return receive


def _no_account(size_bytes: int) -> None:
    pass


async def test_parts_are_joined() -> None:
    assert await read_body(_receive(b"ab", b"c"), _LIMITS, announced=None, hold=_no_account) == b"abc"


async def test_announced_length_over_the_limit_is_refused_unread() -> None:
    with pytest.raises(BodyTooLarge, match="1,001 bytes"):
        await read_body(_receive(then_hang=True), _LIMITS, announced=1001, hold=_no_account)


async def test_body_that_grows_over_the_limit_is_refused() -> None:
    with pytest.raises(BodyTooLarge):
        await read_body(_receive(b"x" * 600, b"x" * 600), _LIMITS, announced=None, hold=_no_account)


async def test_body_that_does_not_come_times_out() -> None:
    with pytest.raises(BodyTimeout):
        await read_body(_receive(b"x", then_hang=True), _LIMITS, announced=None, hold=_no_account)


async def test_client_that_leaves_in_its_body_is_noticed() -> None:
    with pytest.raises(ClientLeft):
        await read_body(_receive(b"x", then_leave=True), _LIMITS, announced=None, hold=_no_account)


async def test_every_part_is_accounted_for_before_the_next() -> None:
    held: list[int] = []

    def hold(size_bytes: int) -> None:
        held.append(size_bytes)
        if sum(held) > 3:
            raise Overloaded("full")

    with pytest.raises(Overloaded):
        await read_body(_receive(b"ab", b"cd", b"ef"), _LIMITS, announced=None, hold=hold)

    assert held == [2, 2]


def _raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush()


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("", b"hello"),
        ("identity", b"hello"),
        ("gzip", gzip.compress(b"hello", mtime=0)),
        (" GZIP ", gzip.compress(b"hello", mtime=0)),
        ("deflate", zlib.compress(b"hello")),
        ("deflate", _raw_deflate(b"hello")),
    ],
)
def test_compressed_bodies_are_inflated(encoding: str, body: bytes) -> None:
    assert inflate(body, encoding, _LIMITS) == b"hello"


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "gzip,", "x"])
def test_other_encodings_are_refused(encoding: str) -> None:
    with pytest.raises(EncodingUnsupported):
        inflate(gzip.compress(b"hello", mtime=0), encoding, _LIMITS)


def test_a_body_that_explodes_is_refused_before_it_is_held() -> None:
    bomb = gzip.compress(bytes(50_000_000))

    with pytest.raises(BodyTooLarge):
        inflate(bomb, "gzip", _LIMITS)


@pytest.mark.parametrize(
    "damage",
    [
        lambda body: body[:-1],
        lambda body: b"not gzip",
        lambda body: body + b"tail",
        lambda body: body + gzip.compress(b"second member"),
        lambda body: b"",
    ],
    ids=["cut short", "not compressed", "tail", "second member", "empty"],
)
def test_damaged_compression_is_refused(damage: Callable[[bytes], bytes]) -> None:
    with pytest.raises(RequestInvalid):
        inflate(damage(gzip.compress(b"hello", mtime=0)), "gzip", _LIMITS)

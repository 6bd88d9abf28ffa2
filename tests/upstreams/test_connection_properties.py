"""Whatever an upstream says, and however the network cuts it: one outcome, an end, and no answer for somebody else."""

import asyncio
import itertools
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from guard.errors import UpstreamBroken, UpstreamFailed
from guard.upstreams.connection import Connection

_OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
_PIECES = st.sampled_from([
    _OK, b"HTTP/1.1 ", b"HTTP/1.0 ", b"200 OK", b"100 Continue", b"204 X", b"101 X", b"\r\n", b"\r\n\r\n", b"\n",
    b"content-length: 2", b"content-length: 0", b"transfer-encoding: chunked", b"connection: close", b"upgrade: x",
    b"{}", b"2\r\n{}\r\n", b"0\r\n\r\n", b"\x00", b"x: y", b": ", b"data: {}\n\n", b"HTTP/1.1 200 OK\r\n\r\n"
])  # fmt: skip
_SAID = st.one_of(st.lists(_PIECES, max_size=12).map(b"".join), st.binary(max_size=200))


class _Wire:
    """A transport that takes everything and remembers how it ended."""

    def __init__(self) -> None:
        self.is_aborted = False

    def write(self, data: bytes) -> None:
        pass

    def is_closing(self) -> bool:
        return self.is_aborted

    def abort(self) -> None:
        self.is_aborted = True

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


async def _outcome(said: bytes, cuts: list[int]) -> tuple[Any, ...]:
    """Return what a request gets that is answered by `said`, cut into pieces, before the connection ends."""
    connection, wire = Connection(), _Wire()
    connection.connection_made(wire)  # type: ignore[arg-type]
    loop = asyncio.get_running_loop()
    asking = asyncio.create_task(
        connection.ask(b"GET / HTTP/1.1\r\n\r\n", b"", is_head=False, silence_s=5, deadline=loop.time() + 5)
    )
    await asyncio.sleep(0)
    places = sorted({min(cut, len(said)) for cut in cuts} | {0, len(said)})
    for start, end in itertools.pairwise(places):
        if not wire.is_aborted:
            connection.data_received(said[start:end])
    was_reusable = connection.is_reusable and not wire.is_aborted
    connection.connection_lost(None)
    body = b""
    try:
        await asking
        while (chunk := await connection.read()) is not None:
            body += chunk
    except UpstreamBroken:
        return ("broken", body)
    assert not connection.is_reusable
    return (connection.status, tuple(connection.headers), body, was_reusable)


@settings(max_examples=300, deadline=None)
@given(said=_SAID, cuts=st.lists(st.integers(0, 250), max_size=6))
@example(said=_OK + _OK, cuts=[len(_OK)])
@example(said=_OK[:-1], cuts=[])
@example(said=b"HTTP/1.1 200 OK\r\n\r\nto the end", cuts=[3, 19])
@example(said=b"HTTP/1.1 100 X\r\n\r\n" + _OK, cuts=[5, 30])
def test_outcome_does_not_hang_on_how_the_network_cuts_it(said: bytes, cuts: list[int]) -> None:
    whole = asyncio.run(_outcome(said, []))
    cut = asyncio.run(_outcome(said, cuts))

    # What is left over in a connection may be seen a moment later: then it is dropped instead of kept.
    assert cut[:3] == whole[:3]


@settings(max_examples=200, deadline=None)
# Empty lines alone say nothing, and begin no answer.
@given(behind=st.binary(min_size=1, max_size=40).filter(lambda said: said.strip(b"\r\n") != b""))
@example(behind=_OK)
def test_connection_that_said_more_than_its_answer_is_not_kept(behind: bytes) -> None:
    for said, cuts in ((_OK + behind, []), (_OK + behind, [len(_OK)])):
        status, _, body, was_reusable = asyncio.run(_outcome(said, cuts))
        assert (status, body, was_reusable) == (200, b"{}", False)


@settings(max_examples=200, deadline=None)
@given(said=_SAID)
def test_every_request_comes_to_an_end(said: bytes) -> None:
    async def outcome() -> object:
        try:
            async with asyncio.timeout(2):
                return await _outcome(said, [])
        except UpstreamFailed as error:
            return error

    assert asyncio.run(outcome()) is not None

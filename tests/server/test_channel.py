"""Calls between the process that supervises workers and one of them."""

import asyncio
import socket
from typing import Any

import pytest

from guard.errors import BundleInvalid, GuardError
from guard.server.channel import ChannelClosed, Peer, error_of, open_streams


async def _peers(answers: dict[str, Any]) -> tuple[Peer, Peer]:
    ours, theirs = socket.socketpair()
    return Peer(*await open_streams(ours), {}), Peer(*await open_streams(theirs), answers)


async def test_error_travels_through_a_channel_with_its_class_and_message() -> None:
    async def refuse(said: Any) -> None:
        raise BundleInvalid(said["why"])

    asking, answering = await _peers({"try": refuse})
    running = [asyncio.create_task(peer.run()) for peer in (asking, answering)]

    with pytest.raises(BundleInvalid, match=r"^because$"):
        await asking.call("try", timeout_s=5, why="because")

    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def test_step_that_fails_unforeseen_is_answered_at_once_by_its_type_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail(said: Any) -> None:
        raise MemoryError("what a caller wrote")

    asking, answering = await _peers({"try": fail})
    running = [asyncio.create_task(peer.run()) for peer in (asking, answering)]

    with pytest.raises(GuardError, match=r"^try failed: MemoryError$"):
        await asking.call("try", timeout_s=1)
    with pytest.raises(GuardError, match=r"^of another version failed: KeyError$"):
        await asking.call("of another version", timeout_s=1)

    assert [line.getMessage() for line in caplog.records] == ["try failed", "of another version failed"]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def test_call_through_a_channel_ends_when_the_other_side_is_gone_or_silent() -> None:
    async def never(said: Any) -> None:
        await asyncio.Event().wait()

    asking, answering = await _peers({"try": never})
    running = [asyncio.create_task(peer.run()) for peer in (asking, answering)]
    with pytest.raises(ChannelClosed, match=r"no answer to try within 0\.05 s"):
        await asking.call("try", timeout_s=0.05)
    waiting = asyncio.create_task(asking.call("try", timeout_s=5))
    await asyncio.sleep(0)
    running[1].cancel()

    with pytest.raises(ChannelClosed, match="gone"):
        await waiting
    with pytest.raises(ChannelClosed, match="gone"):
        await asking.call("try", timeout_s=5)
    await asyncio.gather(*running, return_exceptions=True)


def test_unknown_code_becomes_the_base_error() -> None:
    assert type(error_of("bundle_invalid", "x")) is BundleInvalid
    assert type(error_of("of another version", "x")) is GuardError

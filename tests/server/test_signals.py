"""What signals do to a server that starts, serves or ends."""

import asyncio
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from guard.config import Settings
from guard.server.run import AnnouncedServer, Hangups, make_server, on_hangup
from tests.server.house import until


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


async def _app(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("nobody asks")


async def _leaving(delay_s: float) -> AnnouncedServer:
    settings = Settings.model_validate({"limits": {"drain_delay_s": delay_s}})
    server = make_server(_app, settings, lambda: None)
    server._loop = asyncio.get_running_loop()
    return server


async def test_server_stops_when_the_delay_is_over() -> None:
    server = await _leaving(0.02)

    server.handle_exit(signal.SIGINT, None)
    at_once = server.should_exit
    await until(lambda: server.should_exit)

    assert (at_once, server.force_exit) == (False, False)


async def test_second_interrupt_ends_the_delay_and_cuts_off_nobody() -> None:
    server = await _leaving(0.02)

    server.handle_exit(signal.SIGINT, None)
    server.handle_exit(signal.SIGINT, None)
    at_once = server.should_exit
    await asyncio.sleep(0.05)

    assert (at_once, server.force_exit) == (True, False)


async def test_third_interrupt_cuts_off() -> None:
    server = await _leaving(0.02)

    for _ in range(3):
        server.handle_exit(signal.SIGINT, None)

    assert server.force_exit


async def test_hangup_before_there_is_a_loop_is_heeded_once_there_is_one() -> None:
    hangups = Hangups()
    os.kill(os.getpid(), signal.SIGHUP)
    calls: list[int] = []

    async def call() -> None:
        calls.append(1)

    on_hangup(call, before=hangups)
    await until(lambda: calls == [1])
    os.kill(os.getpid(), signal.SIGHUP)

    await until(lambda: calls == [1, 1])
    asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)


async def test_no_hangup_before_is_no_call() -> None:
    calls: list[int] = []

    async def call() -> None:
        calls.append(1)

    on_hangup(call, before=Hangups())
    await asyncio.sleep(0.01)

    assert calls == []
    asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)

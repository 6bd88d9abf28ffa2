"""Head and body of an answer leave in one write, and no head waits for its body."""

import asyncio
from collections.abc import Iterable

from guard.server.gathering import Gathering

_HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


class _Socket(asyncio.Transport):
    """A transport that keeps what is written to it, each write apart."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closes = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes.append(bytes(data))

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.writes.append(b"".join(list_of_data))

    def close(self) -> None:
        self.writes.append(b"(closed)")

    def is_closing(self) -> bool:
        return self.closes

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


async def test_head_and_body_leave_in_one_write() -> None:
    socket = _Socket()
    gathering = Gathering(socket, asyncio.get_running_loop())

    gathering.write(_HEAD)
    gathering.write(b"{}")
    await asyncio.sleep(0)

    assert socket.writes == [_HEAD + b"{}"]


async def test_head_without_a_body_yet_leaves_at_the_next_turn_of_the_loop() -> None:
    socket = _Socket()
    gathering = Gathering(socket, asyncio.get_running_loop())

    gathering.write(_HEAD)
    await asyncio.sleep(0)
    gathering.write(b"2\r\n{}\r\n")
    gathering.write(b"0\r\n\r\n")

    assert socket.writes == [_HEAD, b"2\r\n{}\r\n", b"0\r\n\r\n"]


async def test_closing_lets_a_head_go_first() -> None:
    socket = _Socket()
    gathering = Gathering(socket, asyncio.get_running_loop())

    gathering.write(_HEAD)
    gathering.close()
    await asyncio.sleep(0)

    assert socket.writes == [_HEAD, b"(closed)"]


async def test_head_on_a_connection_that_was_lost_meanwhile_disturbs_nobody() -> None:
    class Lost(_Socket):
        def write(self, data: bytes | bytearray | memoryview) -> None:
            raise RuntimeError("the handler is closed")

    loop, told = asyncio.get_running_loop(), []
    loop.set_exception_handler(lambda _, context: told.append(context))
    Gathering(Lost(), loop).write(_HEAD)
    await asyncio.sleep(0)

    assert told == []


async def test_head_goes_before_its_body_on_a_connection_that_closes_once_everything_is_written() -> None:
    socket = _Socket()
    gathering = Gathering(socket, asyncio.get_running_loop())

    gathering.write(_HEAD)
    socket.closes = True  # closing, with bytes of the answer before still on their way
    await asyncio.sleep(0)
    gathering.write(b"{}")

    assert socket.writes == [_HEAD, b"{}"]


async def test_two_answers_on_one_connection_keep_their_order() -> None:
    socket = _Socket()
    gathering = Gathering(socket, asyncio.get_running_loop())

    for number in range(2):
        gathering.write(_HEAD)
        gathering.write(b"%d" % number * 2)
    await asyncio.sleep(0)

    assert socket.writes == [_HEAD + b"00", _HEAD + b"11"]

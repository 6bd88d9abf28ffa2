"""What the supervisor of workers does when one of them does not go along."""

import asyncio
import logging
import socket
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from guard.config import Settings
from guard.errors import BundleInvalid, GuardError, SwapRefused
from guard.server import workers as workers_module
from guard.server.channel import ChannelClosed, Peer, open_streams
from guard.server.reload import Reload
from guard.server.workers import Supervisor, _Worker
from guard.types import Mode
from tests.server.house import until

OLD, NEW = "0" * 64, "1" * 64


class Worker:
    """A worker that answers each step as it is told, with the new digest unless told otherwise."""

    def __init__(self, **answers: object) -> None:
        self._answers = {"prepare": NEW, "commit": NEW} | answers
        self.steps: list[str] = []
        self.digest = OLD
        self.is_killed = False
        self.peer = self
        self.process = SimpleNamespace(pid=1, returncode=None, kill=self._kill)

    async def call(self, step: str, *, timeout_s: float, **said: object) -> object:
        self.steps.append(step)
        answer = self._answers.get(step)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _kill(self) -> None:
        self.is_killed = True


class Mortal(Worker):
    """A worker that ends when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.process.send_signal = lambda _: None
        self.process.wait = self._ended

    async def run(self) -> None:
        """Serve no channel."""

    async def _ended(self) -> int:
        return 0


class Slow(Worker):
    """A worker that answers once it may, and keeps the settings that it was last given."""

    def __init__(self) -> None:
        super().__init__()
        self.is_asked, self.may_answer = asyncio.Event(), asyncio.Event()
        self.settings: object = None

    async def call(self, step: str, *, timeout_s: float, **said: object) -> object:
        self.is_asked.set()
        await self.may_answer.wait()
        self.settings = said.get("settings", self.settings)
        return await super().call(step, timeout_s=timeout_s, **said)


@pytest.fixture
def bound() -> Iterator[socket.socket]:
    with socket.socket() as made:
        yield made


def _supervisor(bound: socket.socket, *workers: Worker) -> Supervisor:
    settings = Settings(workers=len(workers))
    made = Supervisor(settings, bound, on_ready=lambda _: None, reload=Reload(Settings, settings))
    made._workers = dict(enumerate(workers))  # type: ignore[arg-type]
    return made


async def test_change_is_settled_when_every_worker_serves_the_same_bundle(bound: socket.socket) -> None:
    one, other = Worker(), Worker()
    supervisor = _supervisor(bound, one, other)

    assert await supervisor.swap("new") == NEW
    assert one.steps == other.steps == ["prepare", "commit", "settle"]
    assert supervisor.settings == Settings(workers=2, bundle="new")
    assert (one.digest, other.digest) == (NEW, NEW)


@pytest.mark.parametrize(
    ("answers", "steps", "said"),
    [
        ({"prepare": BundleInvalid("no such bundle")}, ["prepare", "revert"], "no such bundle"),
        ({"prepare": "2" * 64}, ["prepare", "revert"], "changed while the workers opened it"),
        ({"prepare": ChannelClosed("gone")}, ["prepare", "revert"], "did not take part"),
        ({"commit": ChannelClosed("gone")}, ["prepare", "commit", "revert"], "did not take part"),
        ({"commit": SwapRefused("nothing is prepared")}, ["prepare", "commit", "revert"], "nothing is prepared"),
    ],
)
async def test_all_go_back_when_one_worker_does_not_go_along(
    bound: socket.socket, answers: dict[str, Any], steps: list[str], said: str
) -> None:
    willing, unwilling = Worker(), Worker(**answers)
    supervisor = _supervisor(bound, willing, unwilling)
    before = supervisor.settings

    with pytest.raises(SwapRefused, match=said):
        await supervisor.swap("new")

    assert willing.steps == steps
    assert supervisor.settings == before
    assert (willing.digest, unwilling.digest) == (OLD, OLD)
    assert not willing.is_killed


async def test_worker_that_does_not_go_back_is_ended(bound: socket.socket) -> None:
    willing, stuck = Worker(), Worker(commit=ChannelClosed("silent"), revert=ChannelClosed("silent"))

    with pytest.raises(SwapRefused):
        await _supervisor(bound, willing, stuck).swap("new")

    assert (willing.is_killed, stuck.is_killed) == (False, True)


async def test_nothing_changes_while_a_worker_is_missing(bound: socket.socket) -> None:
    only = Worker()
    supervisor = _supervisor(bound, only, Worker())
    del supervisor._workers[1]

    with pytest.raises(SwapRefused, match="1 of 2 workers are being started"):
        await supervisor.swap("new")

    assert only.steps == []


async def test_changes_come_one_after_another(bound: socket.socket) -> None:
    one = Worker()
    supervisor = _supervisor(bound, one)

    await asyncio.gather(*(supervisor.reload(Settings()) for _ in range(3)))

    assert one.steps == ["prepare", "commit", "settle"] * 3


@pytest.mark.parametrize("is_swap_first", [True, False])
async def test_swap_and_reload_at_once_are_both_in_force(bound: socket.socket, is_swap_first: bool) -> None:
    slow = Slow()
    supervisor = _supervisor(bound, slow)
    changes = [supervisor.swap("new"), supervisor.reload(Settings(mode=Mode.SHADOW))]

    first, second = changes if is_swap_first else reversed(changes)
    under_way = asyncio.create_task(first)
    await slow.is_asked.wait()
    waiting = asyncio.create_task(second)
    await asyncio.sleep(0)
    slow.may_answer.set()
    await asyncio.gather(under_way, waiting)

    assert (supervisor.settings.bundle, supervisor.settings.mode) == ("new", Mode.SHADOW)
    assert slow.settings == supervisor.settings.model_dump(mode="json")


@pytest.mark.parametrize("command", ["/bin/false", "/no/such/python"])
async def test_worker_that_ends_before_it_read_its_settings_is_a_failed_start(
    bound: socket.socket, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", command)
    settings = Settings(workers=2)

    for _ in range(5):
        supervisor = Supervisor(settings, bound, on_ready=lambda _: None, reload=Reload(Settings, settings))
        with pytest.raises(GuardError, match="a worker"):
            await supervisor.run()


async def test_worker_that_ends_before_it_read_its_settings_is_started_again_and_again(
    bound: socket.socket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    monkeypatch.setattr(workers_module, "_FIRST_PAUSE_S", 0.001)
    supervisor = Supervisor(Settings(), bound, on_ready=lambda _: None, reload=Reload(Settings, Settings()))

    def said() -> list[tuple[int, str]]:
        return [(line.levelno, line.getMessage()) for line in caplog.records if line.name == "guard.server"]

    keeping = asyncio.create_task(supervisor._keep(0))
    await until(lambda: len(said()) >= 4 or keeping.done())

    assert not keeping.done()
    assert set(said()) == {
        (logging.ERROR, "a worker could not start: guard_error: a worker ended while it started; its log says why")
    }
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)


async def test_supervisor_that_cannot_keep_its_workers_ends_with_the_reason(bound: socket.socket) -> None:
    class Broken(Supervisor):
        async def _start(self) -> _Worker:
            made: Any = Mortal()
            return _Worker(made.process, made, {"digest": OLD})

        async def _keep(self, place: int) -> None:
            raise RuntimeError("unforeseen")

    settings = Settings(workers=2)
    supervisor = Broken(settings, bound, on_ready=lambda _: None, reload=Reload(Settings, settings))

    with pytest.raises(RuntimeError, match="unforeseen"):
        async with asyncio.timeout(5):
            await supervisor.run()


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
    from guard.server.channel import error_of

    assert type(error_of("bundle_invalid", "x")) is BundleInvalid
    assert type(error_of("of another version", "x")) is GuardError

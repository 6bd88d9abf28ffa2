"""What the supervisor of workers does when one of them does not go along."""

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from guard.config import Settings
from guard.errors import BundleInvalid, GuardError, SwapRefused
from guard.server import worker as worker_module
from guard.server import workers as workers_module
from guard.server.channel import ChannelClosed
from guard.server.reload import Reload
from guard.server.spawning import WorkerProcess
from guard.server.steps import STEP_S
from guard.server.workers import Supervisor
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
        self.process = SimpleNamespace(pid=1, returncode=None)

    async def call(self, step: str, *, timeout_s: float, **said: object) -> object:
        if step != "ping":
            self.steps.append(step)
        answer = self._answers.get(step)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def kill(self) -> None:
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
        async def _start(self, place: int) -> WorkerProcess:
            made: Any = Mortal()
            return WorkerProcess(made.process, made, {"digest": OLD})

        async def _keep(self, place: int) -> None:
            raise RuntimeError("unforeseen")

    settings = Settings(workers=2)
    supervisor = Broken(settings, bound, on_ready=lambda _: None, reload=Reload(Settings, settings))

    with pytest.raises(RuntimeError, match="unforeseen"):
        async with asyncio.timeout(60):
            await supervisor.run()


async def test_change_is_refused_at_once_while_a_worker_stands_still(bound: socket.socket) -> None:
    willing, still = Worker(), Worker(ping=ChannelClosed("no answer to ping within 5 s"))
    supervisor = _supervisor(bound, willing, still)

    with pytest.raises(SwapRefused, match="worker 1 does not answer"):
        await supervisor.swap("new")

    assert (willing.steps, still.steps) == ([], [])


async def test_change_waits_for_its_turn_only_so_long(bound: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers_module, "_TURN_S", 0.02)
    slow = Slow()
    supervisor = _supervisor(bound, slow)
    first = asyncio.create_task(supervisor.swap("new"))
    await slow.is_asked.wait()

    with pytest.raises(SwapRefused, match="another change"):
        await supervisor.reload(Settings(mode=Mode.SHADOW))

    slow.may_answer.set()
    assert await first == NEW
    assert supervisor.settings.mode is Mode.ENFORCE


def test_worker_that_asks_for_a_change_hears_of_its_outcome_and_not_of_its_own_impatience() -> None:
    steps_s = workers_module._PING_S + workers_module._PREPARE_S + 3 * STEP_S
    assert workers_module._TURN_S + steps_s < worker_module._CHANGE_S


class Watched(Worker):
    """A worker with figures, until it stands still."""

    def __init__(self) -> None:
        super().__init__(figures=[["requests", "", "counter", [["requests_total", {}, 7.0]]]])
        self.figures: list[Any] = []
        self.listening = SimpleNamespace(done=lambda: False)
        self.has_ended = asyncio.Event()
        self.process.wait = self._ended

    def stand_still(self) -> None:
        self._answers["figures"] = ChannelClosed("no answer")

    def kill(self) -> None:
        super().kill()
        self.has_ended.set()

    async def _ended(self) -> int:
        await self.has_ended.wait()
        return -9


@pytest.mark.parametrize("stands_still", [False, True])
async def test_figures_of_a_worker_that_died_are_those_of_a_moment_before(
    bound: socket.socket, stands_still: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers_module, "_WATCH_S", 0.001)
    worker = Watched()
    supervisor = _supervisor(bound, worker)
    keeping = asyncio.create_task(supervisor._keep(0))
    await until(lambda: bool(worker.figures))

    if stands_still:  # and is ended for it, although nobody asked for the figures
        worker.stand_still()
    else:
        worker.has_ended.set()
    await until(lambda: not supervisor._workers)

    assert worker.is_killed is stands_still
    assert await supervisor.figures() == [["requests", "", "counter", [["requests_total", {}, 7.0]]]]
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)


async def test_supervisor_that_is_told_to_end_does_not_wait_for_workers_that_start(
    bound: socket.socket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    never_ready, started = tmp_path / "python", tmp_path / "started"
    never_ready.write_text(f"#!/bin/sh\necho $$ >> {started}\nexec sleep 60\n")
    never_ready.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(never_ready))
    settings = Settings(workers=2)
    supervisor = Supervisor(
        settings, bound, on_ready=lambda _: pytest.fail("it serves"), reload=Reload(Settings, settings)
    )
    running = asyncio.create_task(supervisor.run())
    # Before it listens the signal would end the tests themselves.
    await until(lambda: started.exists() and started.read_text().count("\n") == 2)

    os.kill(os.getpid(), signal.SIGTERM)

    async with asyncio.timeout(50):  # they would sleep for 60
        await running

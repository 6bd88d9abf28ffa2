"""Whatever was acknowledged is there after a kill -9, again and again."""

import itertools
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from guard.store.opening import open_store
from guard.store.values import Query

_ROOT = Path(__file__).parents[2]
_ROUNDS, _AT_LEAST = 6, 50  # times that the worker is killed, and what it has acknowledged by then


def _killed_after(address: str, seconds: float) -> list[list[str]]:
    """Let the worker work for some time after its first acknowledgements, kill it, and return what it had said."""
    command = [sys.executable, "-m", "tests.store.killed", address]
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        first = worker.stdout.readline()
        assert first.startswith("blocked "), "the worker did not begin"
        said = [first, *itertools.islice(worker.stdout, _AT_LEAST)]
        time.sleep(seconds)
        worker.send_signal(signal.SIGKILL)
        said += worker.stdout
    return [line.split() for line in said if line.endswith("\n")]


def test_kill_loses_nothing_that_was_acknowledged(address: str) -> None:
    moments = random.Random(6)
    said: list[list[str]] = []
    for _ in range(_ROUNDS):
        said += _killed_after(address, moments.uniform(0.05, 0.4))

    store = open_store(address)
    kept = {one.id for one in store.find(Query(limit=1_000_000))}
    labelled = {one.decision_id for one in store.labels(0.0)}
    store.close()

    blocked = {id_ for kind, id_ in said if kind == "blocked"}
    assert len(blocked) >= 20 * _ROUNDS  # about half of what it acknowledged
    assert blocked <= kept
    assert {id_ for kind, id_ in said if kind == "labelled"} <= labelled

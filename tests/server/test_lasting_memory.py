"""What the garbage collector passes over once Guard serves, and what it still finds."""

import gc
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from guard.server.memory import give_back, take_for_lasting
from tests.tiny_bundle import make_tiny_bundle

_SERVES_AND_ENDS = """
import gc, os, signal, sys
from guard.config import parse_settings
from guard.server.app import create_app
from guard.server.run import bind, serve

def begin():
    lasting, others = gc.get_freeze_count(), len(gc.get_objects())
    print(lasting, others)
    os.kill(os.getpid(), signal.SIGTERM)

settings = parse_settings({"bundle": sys.argv[1], "store": {"url": "none"}}, source="here")
serve(create_app(settings), settings, bind("127.0.0.1", 0), begin)
"""


class _Knot:
    """Only the garbage collector finds out that nobody holds it."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def collector() -> Iterator[None]:
    before = gc.get_threshold()
    gc.disable()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)
    gc.enable()


def test_guard_that_serves_has_next_to_nothing_to_look_through(tmp_path: Path) -> None:
    bundle = make_tiny_bundle(tmp_path / "bundle").path
    command = [sys.executable, "-c", _SERVES_AND_ENDS, str(bundle)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)

    lasting, others = (int(count) for count in ended.stdout.split())
    assert others < lasting / 100


@pytest.mark.usefixtures("collector")
def test_what_lasted_is_found_once_more_when_memory_is_given_back() -> None:
    knot = _Knot()
    held = weakref.ref(knot)

    take_for_lasting()
    del knot
    gc.collect()
    before = held() is not None
    give_back()

    assert (before, held()) == (True, None)
    assert gc.get_freeze_count() > 0


@pytest.mark.usefixtures("collector")
def test_nothing_is_taken_for_lasting_in_a_process_that_did_not_ask_for_it() -> None:
    gc.unfreeze()

    give_back()

    assert gc.get_freeze_count() == 0

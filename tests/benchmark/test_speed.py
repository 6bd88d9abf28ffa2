"""The parts of a speed run: servers as child processes, the load on them, and what is reported."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import cast

import pytest
from PIL import Image

from benchmark.sheets import to_markdown
from benchmark.speed.eager import Beside
from benchmark.speed.kinds import Kind, make_kinds
from benchmark.speed.latency import Timing
from benchmark.speed.lineup import find_litellm, forwarder_recipe, litellm_recipe, upstream_recipe
from benchmark.speed.load import run_load
from benchmark.speed.overlap import BARE, DIRECT, IN_TURN, OVERLAPPED, THINK_MS, Wait, _Asked, _turn
from benchmark.speed.pictures import draw_scene, draw_writing
from benchmark.speed.processes import Recipe, Server, free_port
from benchmark.speed.report import make_sheets
from benchmark.speed.run import Contestant, Load, Plan, SpeedReport, run_speed
from guard.errors import UsageError
from tests.tiny_bundle import make_tiny_bundle


def _children() -> set[str]:
    return {pid for task in Path("/proc/self/task").glob("*/children") for pid in task.read_text().split()}


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_load_through_a_forwarder_is_counted_with_its_processor_time(tmp_path: Path) -> None:
    body = tmp_path / "body.json"
    body.write_bytes(b'{"model": "stand-in"}')
    with Server(upstream_recipe(), tmp_path / "upstream.log") as upstream:
        recipe = forwarder_recipe(upstream.recipe.origin)
        with Server(recipe, tmp_path / "forwarder.log") as forwarder:
            before = forwarder.cpu_ms()
            load = run_load(recipe.origin + recipe.path, body, connections=8, seconds=1.0, api_key="sk-test")
            spent = forwarder.cpu_ms() - before

            assert load.errors == 0
            assert load.requests > 100
            assert 0 < load.p50_ms <= load.p99_ms
            assert 0 < spent < 5000
            assert 5 < forwarder.resident_mb() < 500
            assert forwarder.start_s > 0


@pytest.mark.parametrize("kind", make_kinds()[2:], ids=lambda kind: kind.name)
def test_forwarder_passes_streams_as_they_come_and_large_bodies(tmp_path: Path, kind: Kind) -> None:
    body = tmp_path / kind.file_name
    body.write_bytes(kind.body)
    with Server(upstream_recipe(), tmp_path / "upstream.log") as upstream:
        recipe = forwarder_recipe(upstream.recipe.origin)
        with Server(recipe, tmp_path / "forwarder.log"):
            load = run_load(recipe.origin + recipe.path, body, connections=1, seconds=0.5, api_key="sk-test")

    assert load.errors == 0
    assert load.first_p50_ms <= load.p50_ms
    # Twenty chunks, a millisecond apart.
    assert (load.p50_ms - load.first_p50_ms > 10) == (kind.name == "stream")


def test_picture_of_2_mb_has_2_mb() -> None:
    assert 2_000_000 < len(make_kinds()[-1].body) < 2_200_000


def test_load_on_a_server_that_answers_with_errors_is_refused(tmp_path: Path) -> None:
    body = tmp_path / "body.json"
    body.write_bytes(b"{}")
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port := free_port())]
    with (
        Server(Recipe("files", command, port), tmp_path / "log") as server,
        pytest.raises(UsageError, match=r"requests to .* failed"),
    ):
        run_load(server.recipe.origin, body, connections=1, seconds=0.2, api_key="sk-test")


def test_server_that_ends_at_once_is_named_with_its_last_line(tmp_path: Path) -> None:
    recipe = Recipe("broken", [sys.executable, "-c", "raise SystemExit('no such thing')"], free_port())
    with pytest.raises(UsageError, match="broken ended: no such thing"), Server(recipe, tmp_path / "log"):
        pass


def test_server_that_never_gets_ready_is_ended(tmp_path: Path) -> None:
    place = tmp_path / "pid"
    recipe = Recipe("sleeper", ["sh", "-c", f"echo $$ > {place}; exec sleep 60"], free_port())
    with (
        pytest.raises(UsageError, match="sleeper was not ready"),
        Server(recipe, tmp_path / "log", start_timeout_s=3.0),
    ):
        pass
    assert not _is_alive(int(place.read_text()))


def test_leaving_the_context_ends_the_server(tmp_path: Path) -> None:
    with Server(upstream_recipe(), tmp_path / "log") as server:
        (pid,) = server._family()
        assert _is_alive(pid)
    assert not _is_alive(pid)


def test_terminated_run_takes_its_servers_with_it(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from benchmark.speed.lineup import upstream_recipe;"
        "from benchmark.speed.processes import Server, ending_on_sigterm\n"
        "with ending_on_sigterm(), Server(upstream_recipe(), Path(sys.argv[1])) as server:\n"
        "    print(*server._family(), flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        pid = int(run.stdout.readline())
        assert _is_alive(pid)
        run.terminate()
        run.wait(60)
    assert not _is_alive(pid)
    assert run.returncode == 128 + signal.SIGTERM


def test_litellm_runs_in_the_environment_that_was_named(tmp_path: Path) -> None:
    python = find_litellm(Path(sys.executable))
    assert python == Path(sys.executable)
    recipe = litellm_recipe("http://127.0.0.1:1", python, tmp_path)
    assert recipe.command[0] == str(python)
    assert recipe.environment["LITELLM_MASTER_KEY"] == recipe.api_key
    assert recipe.environment["LITELLM_LOCAL_MODEL_COST_MAP"] == "True"


def test_python_that_there_is_not_ends_the_run_before_anything_is_measured(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no program")
    said: list[str] = []

    for python in (tmp_path / "none", tmp_path / "text", tmp_path):
        with pytest.raises(UsageError, match="--litellm-python: there is no program"):
            run_speed(Plan(), litellm_python=python, say=said.append)

    assert said == []


@pytest.mark.parametrize("draw", [draw_scene, draw_writing])
def test_pictures_for_timing_differ_by_seed_and_are_of_the_stated_size(draw: Callable[[int], bytes]) -> None:
    first, second = draw(1), draw(2)
    assert first != second
    assert draw(1) == first
    assert Image.open(BytesIO(first)).size == (1024, 768)


@pytest.mark.slow
def test_speed_run_measures_every_server_and_leaves_none_behind(tmp_path: Path) -> None:
    bundle = make_tiny_bundle(tmp_path / "bundle")
    said: list[str] = []
    before = _children()
    plan = Plan(rounds=1, seconds=0.5, repeats=4, beside=2, overlapped=2)
    report = run_speed(plan, bundle=str(bundle.path), say=said.append)
    assert {"upstream", "forwarder", "guard"} <= report.servers.keys()
    assert all(load.rps > 0 for server in report.servers.values() for load in server.loads)
    assert report.rps_ratios["forwarder"] > 0
    assert {load.kind for load in report.servers["guard"].loads} == {"prompt", "stream", "picture of 2 MB"}
    assert report.picture_rps > 0
    assert report.cpu_ratios["forwarder"] > 0
    assert {"text", "picture"} <= report.latency.keys()
    assert {name: wait.n for name, wait in report.overlap.items()} == {DIRECT: 2, BARE: 2, OVERLAPPED: 2, IN_TURN: 2}
    assert report.overlap[DIRECT].added_p50_ms == 0
    assert report.overlap[BARE].over_forwarder_p50_ms == 0
    assert all(wait.p50_ms >= THINK_MS for wait in report.overlap.values())
    assert ("eager PyTorch" in report.left_out) == (report.eager == {})
    assert any(words.startswith("round 1 of 1: guard") for words in said)
    assert _children() <= before


def test_turn_begins_with_another_server_each_time_and_keeps_their_places() -> None:
    order: list[str] = []

    class Asked:
        def __init__(self, name: str, wait_ms: float) -> None:
            self.name, self.wait_ms = name, wait_ms

        def first_byte_ms(self, number: int) -> float:
            order.append(self.name)
            return self.wait_ms + number

    asked = cast("list[_Asked]", [Asked("a", 10.0), Asked("b", 20.0), Asked("c", 30.0)])

    assert [_turn(asked, number) for number in range(4)] == [[10.0 + n, 20.0 + n, 30.0 + n] for n in range(4)]
    assert "".join(order) == "abcbcacababc"


def test_report_names_every_server_and_who_was_left_out() -> None:
    loads = tuple(Load("prompt", count, 1000.0, 1.0, 2.0, 0.9, 0.5, (990.0, 1000.0)) for count in (1, 32))
    report = SpeedReport(
        bundle="embedded",
        rounds=3,
        seconds=3.0,
        servers={name: Contestant(0.5, 40.0, loads) for name in ("upstream", "forwarder", "guard")},
        latency={"text": Timing(150, 2.5, 3.0, {"score": 2.1})},
        eager={"text": Beside(200, 2.5, 3.0, 12.5, 14.0, 5.0)},
        rps_ratios={"upstream": 0.2, "forwarder": 0.8},
        cpu_ratios={"upstream": 0.1, "forwarder": 0.4},
        first_byte_ms=0.31,
        picture_rps=160.0,
        overlap={
            DIRECT: Wait(60, 151.2, 152.0, 0.0, -0.41),
            BARE: Wait(60, 151.6, 152.6, 0.41, 0.0),
            OVERLAPPED: Wait(60, 151.9, 153.0, 0.72, 0.31),
            IN_TURN: Wait(60, 158.0, 161.0, 6.81, 6.4),
        },
        left_out={"litellm": "not installed"},
        took_s=60.0,
    )
    text = to_markdown("Speed", make_sheets(report))
    assert "| Guard, cached verdict | 40 | 0.50 |" in text
    assert "| Guard | prompt × 32 | 1,000 | 0.90 | 1.00 | 2.0 | 0.500 |" in text
    assert "0.80 × aiohttp forwarder" in text
    assert "0.40 × aiohttp forwarder" in text
    assert "0.31 ms later than through the aiohttp forwarder; 160 requests/s with a picture of 2 MB" in text
    assert "| aiohttp forwarder | 60 | 151.60 | 152.60 | +0.41 | +0.00 |" in text
    assert "| Guard, overlap: true | 60 | 151.90 | 153.00 | +0.72 | +0.31 |" in text
    assert "| Guard, overlap: false | 60 | 158.00 | 161.00 | +6.81 | +6.40 |" in text
    assert "Left out: litellm: not installed." in text
    assert "| text | 150 | 2.50 | 3.00 | score 2.1 |" in text
    assert "| text | 200 | 2.50 | 3.00 | 12.50 | 14.00 | 5.0 |" in text

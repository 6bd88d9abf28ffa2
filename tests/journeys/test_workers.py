"""`guard serve --workers 2`: two processes on one port that swap, reload, count and end as one."""

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from threading import Event, Timer

import httpx
import orjson
import pytest

from tests.journeys.served import PATIENCE_S, Served, get, post, serve
from tests.tiny_bundle import make_tiny_bundle

TOKEN = "an-admin-token-of-length"
BEARER = {"authorization": f"Bearer {TOKEN}"}
CHAT = "/v1/chat/completions"


def _bundles_in_use(served: Served) -> list[str]:
    """Return the digests that answers of many fresh connections name: whichever worker accepts them."""
    seen = []
    for _ in range(40):
        answer = post(f"{served.url}/guard/classify", json={"text": "hello"})
        seen.append(answer.json()["bundle"])
    return sorted(set(seen))


def _workers(served: Served) -> dict[int, str]:
    found = get(f"{served.url}/guard/bundle", headers=BEARER).json()["workers"]
    return {worker["pid"]: worker["digest"] for worker in found}


def _swap(served: Served, bundle: Path) -> httpx.Response:
    return post(f"{served.url}/guard/bundle", json={"bundle": str(bundle)}, headers=BEARER)


def _until(is_true: Callable[[], bool], *, within_s: float = PATIENCE_S) -> None:
    end = time.monotonic() + within_s
    while not is_true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.05)


def _counted(served: Served, name: str, **labels: str) -> float:
    page = get(f"{served.url}/metrics").text
    rows = re.findall(rf"^{name}\{{(.*)\}} (\S+)$", page, re.MULTILINE)
    wanted = {f'{key}="{value}"' for key, value in labels.items()}
    return sum(float(value) for shown, value in rows if wanted <= set(shown.split(",")))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "guard.yaml"
    path.write_text(_SETTINGS)
    return path


# Without access lines: nobody reads the pipe that they would go to.
_SETTINGS = 'access_log: false\nworkers: 2\nthreads: 1\nocr: {mode: "off"}\nadmin: {token: "env:GUARD_TEST_ADMIN"}\n'


@pytest.fixture
def second(tmp_path: Path) -> Path:
    return make_tiny_bundle(tmp_path / "second", seed=1).path


@pytest.fixture
def served(tiny_bundle: Path, config: Path, api_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setenv("GUARD_TEST_ADMIN", TOKEN)
    with serve(tiny_bundle, "--config", str(config), "--upstream", api_url) as running:
        yield running


def test_swap_answers_once_every_worker_serves_the_new_bundle_and_fails_no_request(
    served: Served, second: Path
) -> None:
    before = _workers(served)
    is_over = Event()

    def ask(_: int) -> set[int]:
        statuses = set()
        while not is_over.is_set():
            body = {"model": "m", "messages": [{"role": "user", "content": "hello the cat"}]}
            statuses.add(post(f"{served.url}{CHAT}", json=body).status_code)
        return statuses

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask, number) for number in range(4)]
        try:
            answer = _swap(served, second)
            after = _bundles_in_use(served)
        finally:
            is_over.set()
        statuses = set[int]().union(*(done.result() for done in asking))

    new = answer.json()["digest"]
    assert served.first_line.endswith(", 2 workers")
    assert (answer.status_code, len(before)) == (200, 2)
    assert new not in before.values()
    assert _workers(served) == dict.fromkeys(before, new)
    assert after == [new]
    assert statuses == {200}


def test_bundle_that_one_worker_cannot_open_is_409_and_all_keep_the_old_one(
    served: Served, second: Path, tmp_path: Path
) -> None:
    before = _workers(served)
    (second / "card.md").write_text("another card")

    answer = _swap(served, second)

    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "swap_refused")
    assert _workers(served) == before
    assert _bundles_in_use(served) == sorted(set(before.values()))


def test_figures_of_both_workers_add_up_and_outlive_a_worker(served: Served) -> None:
    for _ in range(20):
        post(f"{served.url}/guard/classify", json={"text": "hello"})
    # A worker that takes more than a second to tell its figures is shown with its last ones: they come.
    _until(lambda: _counted(served, "guard_requests_total", route="/guard/classify") == 20)
    for _ in range(20):
        post(f"{served.url}/guard/classify", json={"text": "hello"})
    _until(lambda: _counted(served, "guard_requests_total", route="/guard/classify") == 40)
    (old, *_) = _workers(served)
    os.kill(old, signal.SIGKILL)
    _until(lambda: len(_workers(served)) == 2 and old not in _workers(served))

    assert _counted(served, "guard_requests_total", route="/guard/classify") == 40
    assert _counted(served, "guard_stage_seconds_count", stage="score") >= 1
    assert _counted(served, "guard_bundle_info") == 1


def test_swap_is_refused_within_seconds_while_a_worker_stands_still_and_goes_well_after_it(
    served: Served, second: Path
) -> None:
    (still, other) = _workers(served)
    os.kill(still, signal.SIGSTOP)
    began = time.monotonic()
    with ThreadPoolExecutor(6) as pool:
        try:
            # The kernel gives some of the connections to the worker that stands still: one is answered by the other.
            asking = [pool.submit(_swap, served, second) for _ in range(6)]
            answer = next(as_completed(asking)).result()
            waited_s = time.monotonic() - began
        finally:
            os.kill(still, signal.SIGCONT)

    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "swap_refused")
    assert f"worker {still} does not answer" in answer.json()["error"]["message"]
    assert waited_s < 30
    assert set(_workers(served)) == {still, other}
    assert _swap(served, second).status_code == 200


def test_worker_that_died_comes_back_with_the_bundle_that_was_swapped_in(served: Served, second: Path) -> None:
    new = _swap(served, second).json()["digest"]
    (old, *_) = _workers(served)

    os.kill(old, signal.SIGKILL)
    _until(lambda: len(_workers(served)) == 2 and old not in _workers(served))

    assert set(_workers(served).values()) == {new}
    assert _bundles_in_use(served) == [new]


def test_hangup_reloads_policies_in_every_worker_and_keeps_them_when_the_file_is_broken(
    served: Served, config: Path
) -> None:
    config.write_text(_SETTINGS + "policy: strict\nlimits: {max_inflight: 9}\n")
    served.process.send_signal(signal.SIGHUP)
    _until(lambda: _policies(served) == {"strict"})
    config.write_text("policy: [")
    served.process.send_signal(signal.SIGHUP)
    said = [orjson.loads(line) for line in _said(served, until="the old one stays") if "guard.reload" in line]
    after = _policies(served)

    assert after == {"strict"}
    assert [line["level"] for line in said] == ["info", "warning", "error"]
    assert said[1]["message"].endswith(": limits")
    assert "the old one stays: config_invalid" in said[2]["message"]


def _said(served: Served, *, until: str) -> list[str]:
    """Return the lines on stderr up to the one that holds these words."""
    lines: list[str] = []
    assert served.process.stderr is not None
    gives_up = Timer(PATIENCE_S, served.process.kill)
    gives_up.start()
    while not lines or (lines[-1] and until not in lines[-1]):
        lines.append(served.process.stderr.readline())
    gives_up.cancel()
    return lines


def _policies(served: Served) -> set[str]:
    return {post(f"{served.url}/guard/classify", json={"text": "hello"}).json()["policy"] for _ in range(20)}


def test_termination_ends_every_worker_with_exit_code_0(served: Served) -> None:
    pids = list(_workers(served))
    served.terminate()
    _, errors = served.process.communicate(timeout=PATIENCE_S)

    assert served.process.returncode == 0
    assert "Traceback" not in errors
    assert not any(_is_alive(pid) for pid in pids)


def test_workers_end_when_the_process_that_supervises_them_is_killed(served: Served) -> None:
    pids = list(_workers(served))
    served.process.kill()
    served.process.wait()

    _until(lambda: not any(_is_alive(pid) for pid in pids))


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_bundle_that_no_worker_can_open_is_one_line_and_exit_2(config: Path, tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError, match=r"^error: bundle_invalid: [^\n]*\n$"),
        serve(tmp_path / "nothing", "--config", str(config)),
    ):
        pass

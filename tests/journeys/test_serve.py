"""`guard serve` as an operator meets it: its start, its end, and what it says when it cannot start."""

import asyncio
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import orjson
import pytest

from tests.certificates import make_certificate
from tests.journeys.served import PATIENCE_S, get, guard_command, post, serve
from tests.upstreams.raw_api import raw_api, read_request

CHAT = "/v1/chat/completions"
_ALLOWED = {"model": "m", "messages": [{"role": "user", "content": "hello the cat"}]}


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(guard_command(*arguments), capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def test_start_is_one_line_with_address_upstream_mode_policy_threshold_and_bundle(tiny_bundle: Path) -> None:
    with serve(tiny_bundle, "--upstream", "http://127.0.0.1:9/v1", "--mode", "shadow") as served:
        ready = get(f"{served.url}/readyz")
        served.terminate()
        rest, errors = served.process.communicate(timeout=PATIENCE_S)

    assert ready.status_code == 200
    assert served.first_line.startswith(f"guard serves {served.url} in front of http://127.0.0.1:9/v1: mode shadow, ")
    assert f"policy balanced, threshold 0.5, bundle tiny-0.0 ({ready.json()['digest'][:12]})" in served.first_line
    assert (rest, served.process.returncode) == ("", 0)
    assert "Traceback" not in errors


def test_every_request_is_one_json_line_on_stderr(tiny_bundle: Path, api_url: str) -> None:
    with serve(tiny_bundle, "--upstream", api_url) as served:
        answer = post(f"{served.url}{CHAT}", json=_ALLOWED)
        served.terminate()
        _, errors = served.process.communicate(timeout=PATIENCE_S)

    lines = [orjson.loads(line) for line in errors.splitlines()]
    (access,) = [line for line in lines if "route" in line]
    assert (access["id"], access["route"], access["action"]) == (answer.headers["x-guard-id"], CHAT, "allow")


async def test_termination_finishes_what_is_in_flight_and_exits_with_0(tiny_bundle: Path) -> None:
    api_was_asked, may_answer = asyncio.Event(), asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        writer.write(b"7\r\ndata: 1\r\n")
        api_was_asked.set()
        await may_answer.wait()
        writer.write(b"7\r\ndata: 2\r\n0\r\n\r\n")

    async with raw_api(handler) as api_url:
        with serve(tiny_bundle, "--upstream", api_url) as served:
            async with httpx.AsyncClient(base_url=served.url, timeout=PATIENCE_S) as client:
                asking = asyncio.create_task(client.post(CHAT, json=_ALLOWED))
                await api_was_asked.wait()
                served.terminate()
                await _refuses_connections(served.url)
                may_answer.set()
                answer = await asking
            returncode = await asyncio.to_thread(served.process.wait, PATIENCE_S)

    assert answer.text == "data: 1data: 2"
    assert returncode == 0


async def _refuses_connections(url: str) -> None:
    host, _, port = url.removeprefix("http://").partition(":")
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                _, writer = await asyncio.open_connection(host, int(port))
            except ConnectionRefusedError:
                return
            writer.close()
            await asyncio.sleep(0.02)


async def test_drain_that_takes_too_long_is_cut_off(tiny_bundle: Path, tmp_path: Path) -> None:
    api_was_asked = asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        api_was_asked.set()
        await reader.read(-1)

    config = tmp_path / "guard.yaml"
    config.write_text("limits: {drain_timeout_s: 1}\n")
    async with raw_api(handler) as api_url:
        with serve(tiny_bundle, "--config", str(config), "--upstream", api_url) as served:
            async with httpx.AsyncClient(base_url=served.url, timeout=PATIENCE_S) as client:
                asking = asyncio.create_task(client.post(CHAT, json=_ALLOWED))
                await api_was_asked.wait()
                served.terminate()
                answer = await asking
                returncode = await asyncio.to_thread(served.process.wait, PATIENCE_S)

    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "guard_unavailable")
    assert returncode == 0


def test_guard_told_to_stop_takes_requests_for_a_while_and_says_so_on_its_ready_page(
    tiny_bundle: Path, tmp_path: Path, api_url: str
) -> None:
    config = tmp_path / "guard.yaml"
    config.write_text("limits: {drain_delay_s: 600}\n")
    with serve(tiny_bundle, "--config", str(config), "--upstream", api_url) as served:
        before = get(f"{served.url}/readyz").status_code
        served.terminate()
        _until(lambda: get(f"{served.url}/readyz").status_code == 503)
        ready = get(f"{served.url}/readyz")
        answer = post(f"{served.url}{CHAT}", json=_ALLOWED)
        served.terminate()
        returncode = served.process.wait(PATIENCE_S)

    assert (before, ready.status_code, answer.status_code, returncode) == (200, 503, 200, 0)
    assert ready.json()["error"]["message"] == "this Guard is about to stop"


def test_second_signal_ends_the_wait_for_load_balancers(tiny_bundle: Path, tmp_path: Path) -> None:
    config = tmp_path / "guard.yaml"
    config.write_text("limits: {drain_delay_s: 600}\n")
    with serve(tiny_bundle, "--config", str(config)) as served:
        served.terminate()
        _until(lambda: get(f"{served.url}/readyz").status_code == 503)
        served.terminate()
        returncode = served.process.wait(PATIENCE_S)

    assert returncode == 0


def test_hangup_reloads_tenants_without_a_pause(tiny_bundle: Path, tmp_path: Path, api_url: str) -> None:
    config, key = tmp_path / "guard.yaml", tmp_path / "key"
    key.write_text("a-key-of-the-shop-1\n")
    config.write_text("policy: balanced\n")
    with serve(tiny_bundle, "--config", str(config), "--upstream", api_url) as served:
        headers = {"authorization": "Bearer a-key-of-the-shop-1"}
        with httpx.Client(base_url=served.url, headers=headers, timeout=PATIENCE_S) as client:
            before = client.post("/guard/classify", json={"text": "hello"}).json()["policy"]
            config.write_text(f"tenants: {{shop: {{keys: ['file:{key}'], policy: strict}}}}\nunknown_tenants: refuse\n")
            served.process.send_signal(signal.SIGHUP)
            _until(lambda: client.get("/metrics", headers={}).status_code == 200 and _is_refused(served.url))
            after = client.post("/guard/classify", json={"text": "hello"}).json()["policy"]
        served.terminate()
        _, errors = served.process.communicate(timeout=PATIENCE_S)

    assert (before, after) == ("balanced", "strict")
    assert "a-key-of-the-shop-1" not in errors
    assert '"the configuration was reloaded: mode enforce, bundle ' in errors


def _is_refused(url: str) -> bool:
    return post(f"{url}/guard/classify", json={"text": "hello"}).status_code == 401


def _until(is_true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not is_true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.05)


def test_certificate_makes_the_address_https(tiny_bundle: Path, tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path, "localhost")
    config = tmp_path / "guard.yaml"
    config.write_text(f"tls: {{certificate: {certificate}, key: {key}}}\n")
    with serve(tiny_bundle, "--config", str(config)) as served:
        url = served.first_line.split()[2].replace("127.0.0.1", "localhost")
        answer = get(f"{url}/healthz", verify=ssl.create_default_context(cafile=certificate))

    assert url.startswith("https://")
    assert answer.status_code == 200


def test_certificate_that_is_none_is_one_line_and_exit_2(tiny_bundle: Path, tmp_path: Path) -> None:
    config = tmp_path / "guard.yaml"
    config.write_text(f"tls: {{certificate: {config}}}\n")

    result = _run("serve", "--config", str(config), "--bundle", str(tiny_bundle), "--port", "0")

    assert result.returncode == 2
    assert result.stderr.startswith("error: config_invalid: tls.certificate: ")
    assert result.stderr.count("\n") == 1


def test_port_in_use_is_one_line_and_exit_2(tiny_bundle: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = _run("serve", "--bundle", str(tiny_bundle), "--port", str(port))

    assert result.returncode == 2
    assert result.stderr == f"error: usage: cannot listen on 127.0.0.1:{port}: Address already in use\n"


def test_damaged_bundle_is_one_line_and_exit_2(tiny_bundle: Path, tmp_path: Path) -> None:
    for file in tiny_bundle.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "card.md").write_text("another card")

    result = _run("serve", "--bundle", str(tmp_path), "--port", "0")

    assert result.returncode == 2
    assert result.stderr.startswith("error: bundle_invalid: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("modus: shadow\n", "modus"),
        ("mode: [", "not YAML"),
        ("limits: {max_body_bytes: -1}\n", "limits.max_body_bytes"),
        ("policy: {name: no-such-point}\n", "no-such-point"),
        ("upstream: {url: 'http://user:pw@host/v1'}\n", "credentials"),
    ],
)
def test_configuration_that_cannot_be_used_is_one_line_and_exit_2(
    tiny_bundle: Path, tmp_path: Path, text: str, said: str
) -> None:
    config = tmp_path / "guard.yaml"
    config.write_text(text)

    result = _run("serve", "--config", str(config), "--bundle", str(tiny_bundle), "--port", "0")

    assert result.returncode == 2
    assert result.stderr.startswith("error: config_invalid: ")
    assert said in result.stderr
    assert result.stderr.count("\n") == 1

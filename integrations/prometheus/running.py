"""A real Prometheus for tests, with the rules of this folder."""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

HERE = Path(__file__).parent


@contextmanager
def prometheus(targets: Sequence[str], home: Path) -> Iterator[str]:
    """Start a Prometheus that scrapes and evaluates every second, wait until it is ready, and yield its address."""
    binary = shutil.which("prometheus")
    if binary is None:
        if os.environ.get("GUARD_REQUIRE_SERVERS") == "1":
            pytest.fail("prometheus is not installed, and GUARD_REQUIRE_SERVERS=1")
        pytest.skip("prometheus is not installed")
    config = yaml.safe_load((HERE / "prometheus.yml").read_text(encoding="utf-8"))
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(HERE / "rules" / "*.yml")]
    config["scrape_configs"][0]["static_configs"][0]["targets"] = list(targets)
    (home / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    port = free_port()
    command = [
        binary,
        f"--config.file={home / 'prometheus.yml'}",
        f"--storage.tsdb.path={home / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    log = home / "log"
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:  # noqa: S603 - a command of our own
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(lambda: get(f"{url}/-/ready") is not None, what=lambda: f"prometheus: {log.read_text()}")
            yield url
        finally:
            process.terminate()


def ask(address: str, query: str) -> list[float]:
    """Return the values of an instant query; an invalid one raises HTTPError 400."""
    return [float(series["value"][1]) for series in ask_for_series(address, query)]


def ask_for_series(address: str, query: str) -> list[dict[str, Any]]:
    """Return the series of an instant query, with their labels."""
    asked = f"{address}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    with urllib.request.urlopen(asked) as answer:  # noqa: S310 - an address of our own
        found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return found


def get(url: str) -> str | None:
    """Return a page, None where there is none."""
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - an address of our own
            body: bytes = answer.read()
            return body.decode()
    except (urllib.error.URLError, OSError):
        return None


def wait_for(condition: Callable[[], bool], *, what: Callable[[], str], seconds: float = 120.0) -> None:
    """Wait until something holds; fail with `what` if it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(what())
        time.sleep(0.1)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

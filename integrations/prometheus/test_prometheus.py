"""A real Prometheus scrapes a real Guard and answers PromQL, this README's queries included."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

HERE = Path(__file__).parent
QUERIES = re.findall(r"\| `(.+?)` \|$", (HERE / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE)

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def guard_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = _free_port()
    command = [sys.executable, "-m", "guard", "serve", "--port", str(port), "--upstream", "http://127.0.0.1:9/v1"]
    log = tmp_path_factory.mktemp("guard") / "log"
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_for(lambda: _get(f"{url}/readyz") is not None, what=lambda: f"guard: {log.read_text()}")
            yield url
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def prometheus_url(guard_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    binary = shutil.which("prometheus")
    if binary is None:
        if os.environ.get("GUARD_REQUIRE_SERVERS") == "1":
            pytest.fail("prometheus is not installed, and GUARD_REQUIRE_SERVERS=1")
        pytest.skip("prometheus is not installed")
    home = tmp_path_factory.mktemp("prometheus")
    config = yaml.safe_load((HERE / "prometheus.yml").read_text(encoding="utf-8"))
    config["global"]["scrape_interval"] = "1s"
    config["rule_files"] = [str(HERE / "rules" / "*.yml")]
    config["scrape_configs"][0]["static_configs"][0]["targets"] = [guard_url.removeprefix("http://")]
    (home / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    port = _free_port()
    command = [
        binary,
        f"--config.file={home / 'prometheus.yml'}",
        f"--storage.tsdb.path={home / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    log = home / "log"
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_for(lambda: _get(f"{url}/-/ready") is not None, what=lambda: f"prometheus: {log.read_text()}")
            yield url
        finally:
            process.terminate()


def test_prometheus_counts_the_decisions_that_guard_made(guard_url: str, prometheus_url: str) -> None:
    query = 'sum(guard_decisions_total{direction="input"})'
    _wait_for(lambda: bool(_ask(prometheus_url, "guard_bundle_info")), what=lambda: "no scrape yet")
    before = sum(_ask(prometheus_url, query))

    for text in ("How do I bake bread?", "What is the capital of Peru?"):
        body = json.dumps({"text": text}).encode()
        headers = {"content-type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(f"{guard_url}/guard/classify", body, headers)) as answer:
            assert answer.status == 200

    _wait_for(
        lambda: sum(_ask(prometheus_url, query)) == before + 2,
        what=lambda: f"prometheus sees {_ask(prometheus_url, query)} decisions, not {before + 2}",
    )


@pytest.mark.parametrize("query", QUERIES)
def test_query_of_the_readme_is_valid_promql(prometheus_url: str, query: str) -> None:
    _ask(prometheus_url, query)


def test_readme_has_queries() -> None:
    assert len(QUERIES) >= 5


def test_every_metric_of_the_readme_is_exported(guard_url: str) -> None:
    exported = _get(f"{guard_url}/metrics") or ""
    wanted = {re.sub(r"_bucket$", "", name) for query in QUERIES for name in re.findall(r"guard_[a-z_]+", query)}
    assert {name for name in wanted if f"# TYPE {name.removesuffix('_total')}" not in exported} == set()


def _ask(prometheus: str, query: str) -> list[float]:
    """Return the values of an instant query; an invalid one raises HTTPError 400."""
    address = f"{prometheus}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    with urllib.request.urlopen(address) as answer:
        return [float(sample["value"][1]) for sample in json.load(answer)["data"]["result"]]


def _get(url: str) -> str | None:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            body: bytes = answer.read()
            return body.decode()
    except (urllib.error.URLError, OSError):
        return None


def _wait_for(condition: Callable[[], bool], *, what: Callable[[], str], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(what())
        time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

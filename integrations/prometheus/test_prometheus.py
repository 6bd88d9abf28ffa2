"""A real Prometheus scrapes a real Guard and answers PromQL, this README's queries included."""

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from integrations.prometheus.running import ask, free_port, get, prometheus, wait_for

HERE = Path(__file__).parent
QUERIES = re.findall(r"\| `(.+?)` \|$", (HERE / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE)

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def guard_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "guard", "serve", "--port", str(port), "--upstream", "http://127.0.0.1:9/v1"]
    log = tmp_path_factory.mktemp("guard") / "log"
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(lambda: get(f"{url}/readyz") is not None, what=lambda: f"guard: {log.read_text()}")
            yield url
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def prometheus_url(guard_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with prometheus([guard_url.removeprefix("http://")], tmp_path_factory.mktemp("prometheus")) as url:
        yield url


def test_prometheus_counts_the_decisions_that_guard_made(guard_url: str, prometheus_url: str) -> None:
    query = 'sum(guard_decisions_total{direction="input"})'
    wait_for(lambda: bool(ask(prometheus_url, "guard_bundle_info")), what=lambda: "no scrape yet")
    before = sum(ask(prometheus_url, query))

    for text in ("How do I bake bread?", "What is the capital of Peru?"):
        body = json.dumps({"text": text}).encode()
        headers = {"content-type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(f"{guard_url}/guard/classify", body, headers)) as answer:
            assert answer.status == 200

    wait_for(
        lambda: sum(ask(prometheus_url, query)) == before + 2,
        what=lambda: f"prometheus sees {ask(prometheus_url, query)} decisions, not {before + 2}",
    )


@pytest.mark.parametrize("query", QUERIES)
def test_query_of_the_readme_is_valid_promql(prometheus_url: str, query: str) -> None:
    ask(prometheus_url, query)


def test_readme_has_queries() -> None:
    assert len(QUERIES) >= 5


def test_every_metric_of_the_readme_is_exported(guard_url: str) -> None:
    exported = get(f"{guard_url}/metrics") or ""
    wanted = {re.sub(r"_bucket$", "", name) for query in QUERIES for name in re.findall(r"guard_[a-z_]+", query)}
    assert {name for name in wanted if f"# TYPE {name.removesuffix('_total')}" not in exported} == set()

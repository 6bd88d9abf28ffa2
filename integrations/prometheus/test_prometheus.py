"""A real Prometheus scrapes a real Guard and answers PromQL, this README's queries included."""

import http.client
import json
import re
import subprocess
import sys
import urllib.parse
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
    command = [sys.executable, "-m", "guard", "serve", "--port", str(port), "--store", "none"]
    command += ["--upstream", "http://127.0.0.1:9/v1"]
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


def test_whatever_callers_send_makes_no_new_series(guard_url: str) -> None:
    def series() -> set[str]:
        page = get(f"{guard_url}/metrics") or ""
        return {line.rsplit(" ", 1)[0] for line in page.splitlines() if line and not line.startswith("#")}

    _pester(guard_url, range(20))
    before = series()
    _pester(guard_url, range(20, 120))
    assert series() == before


def _pester(url: str, numbers: range) -> None:
    """Send requests in which all that a caller chooses has a number: method, path, query, model, keys, user, body."""
    address = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port)
    for number in numbers:
        headers = {
            "content-type": "application/json",
            "authorization": f"Bearer key-{number}",
            "x-request-id": f"request-{number}",
            "user-agent": f"agent-{number}",
            "anthropic-version": f"{number}",
        }
        asked = {"model": f"model-{number}", "user": f"user-{number}", "messages": [{"role": "user", "content": "hi"}]}
        for method, path, body in (
            ("POST", f"/v1/chat/completions?q={number}", asked),
            ("POST", f"/v1/chat/completions/{number}", asked),
            ("POST", f"/openai/deployments/name-{number}/chat/completions", asked),
            (f"METHOD{number}", f"/v1/models/{number}", {}),
            ("POST", "/guard/classify", {"text": "hi", f"field-{number}": number}),
            ("POST", "/v1/messages", {"max_tokens": 1, "messages": [{"role": f"role-{number}", "content": "hi"}]}),
        ):
            connection.request(method, path, json.dumps(body).encode(), headers)
            connection.getresponse().read()
    connection.close()


@pytest.mark.parametrize("query", QUERIES)
def test_query_of_the_readme_is_valid_promql(prometheus_url: str, query: str) -> None:
    ask(prometheus_url, query)


def test_readme_has_queries() -> None:
    assert len(QUERIES) >= 5


def test_every_metric_of_the_readme_is_exported(guard_url: str) -> None:
    exported = get(f"{guard_url}/metrics") or ""
    wanted = {re.sub(r"_bucket$", "", name) for query in QUERIES for name in re.findall(r"guard_[a-z_]+", query)}
    assert {name for name in wanted if f"# TYPE {name.removesuffix('_total')}" not in exported} == set()

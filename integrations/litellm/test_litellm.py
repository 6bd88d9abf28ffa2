"""LiteLLM's own proxy asks a real Guard before and after each call: `make clients` makes its environment."""

import json
import os
import secrets
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from guard.demo.servers import ServerThread
from tests.clients.api.app import LlmApi
from tests.clients.house import BLUE, RED, SAFE, UNSAFE, data_url
from tests.journeys.served import serve
from tests.tiny_bundle import make_tiny_bundle

HERE = Path(__file__).parent
ENVIRONMENTS = Path(os.environ.get("GUARD_CLIENTS_ENVIRONMENTS", HERE.parents[1] / ".venv-clients"))
START_S = 120

pytestmark = pytest.mark.clients


@dataclass
class Proxy:
    """A running proxy of LiteLLM, and what can be taken away from under it."""

    url: str
    key: str
    api: str
    guard: subprocess.Popen[str]

    def ask(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any] | str]:
        """Return the status and the answer, parsed unless it is a stream."""
        request = urllib.request.Request(
            self.url + path,
            data=json.dumps(body).encode(),
            headers={"content-type": "application/json", "authorization": f"Bearer {self.key}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                status, text = answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read().decode()
        return status, text if body.get("stream") else json.loads(text)

    def chat(self, content: Any, **more: Any) -> tuple[int, dict[str, Any] | str]:
        """Ask with one user turn."""
        turns = [{"role": "user", "content": content}]
        return self.ask("/v1/chat/completions", {"model": "plain", "messages": turns, **more})

    def seen(self) -> list[Any]:
        """Return the requests that reached the LLM API since the last look."""
        with urllib.request.urlopen(f"{self.api}/seen", timeout=10) as answer:
            found: list[Any] = json.loads(answer.read())
        with urllib.request.urlopen(urllib.request.Request(f"{self.api}/seen", method="DELETE"), timeout=10):
            return found


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    binary = ENVIRONMENTS / "litellm" / "bin" / "litellm"
    assert binary.exists(), f"{binary} is missing: run make clients"
    folder = tmp_path_factory.mktemp("litellm")
    with ExitStack() as stack:
        api = stack.enter_context(ServerThread(LlmApi().app)).url
        served = stack.enter_context(serve(make_tiny_bundle(folder / "tiny").path))
        key, port = f"sk-{secrets.token_hex(8)}", _free_port()
        environment = {
            **os.environ,
            "PATH": f"{binary.parent}{os.pathsep}{os.environ['PATH']}",
            "GUARD_URL": served.url,
            "UPSTREAM_URL": f"{api}/v1",
            "OPENAI_API_KEY": "sk-upstream",
            "LITELLM_MASTER_KEY": key,
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        }
        command = [str(binary), "--config", str(HERE / "config.yaml"), "--host", "127.0.0.1", "--port", str(port)]
        log = stack.enter_context((folder / "log").open("wb"))
        process = stack.enter_context(subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=folder))
        stack.callback(process.terminate)
        url = f"http://127.0.0.1:{port}"
        _wait_until_ready(url, process, folder / "log")
        yield Proxy(url, key, api, served.process)


@pytest.fixture(autouse=True)
def nothing_seen(proxy: Proxy) -> None:
    proxy.seen()


def test_a_safe_pair_reaches_the_llm_api_as_it_was(proxy: Proxy) -> None:
    parts = [{"type": "text", "text": SAFE}, {"type": "image_url", "image_url": {"url": data_url(BLUE)}}]

    status, answer = proxy.chat(parts)

    assert status == 200, answer
    (request,) = proxy.seen()
    assert request["body"]["messages"] == [{"role": "user", "content": parts}]


@pytest.mark.parametrize(
    "content",
    [UNSAFE, [{"type": "text", "text": SAFE}, {"type": "image_url", "image_url": {"url": data_url(RED)}}]],
    ids=["a text", "a picture"],
)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_what_is_unsafe_never_reaches_the_llm_api(proxy: Proxy, content: Any, stream: bool) -> None:
    status, answer = proxy.chat(content, stream=stream)

    assert 400 <= status < 500, answer
    assert proxy.seen() == []


def test_an_unsafe_answer_is_not_shown(proxy: Proxy) -> None:
    status, answer = proxy.ask(
        "/v1/chat/completions", {"model": "unsafe", "messages": [{"role": "user", "content": SAFE}]}
    )

    assert 400 <= status < 500, answer
    assert len(proxy.seen()) == 1
    assert "bomb" not in json.dumps(answer)


def test_a_picture_that_cannot_be_judged_never_reaches_the_llm_api(proxy: Proxy) -> None:
    parts = [{"type": "text", "text": SAFE}, {"type": "image_url", "image_url": {"url": data_url(BLUE[:40])}}]

    status, answer = proxy.chat(parts)

    assert status >= 400, answer
    assert proxy.seen() == []


def test_without_guard_nothing_passes(proxy: Proxy) -> None:  # the last one: Guard is gone after it
    proxy.guard.terminate()
    proxy.guard.wait(timeout=60)

    status, answer = proxy.chat(SAFE)

    assert status >= 500, answer
    assert proxy.seen() == []


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"{url}/health/liveliness", timeout=5):
                return
        except OSError:
            time.sleep(0.3)
    pytest.fail(f"LiteLLM's proxy was not ready after {START_S} s: {log.read_text()}")

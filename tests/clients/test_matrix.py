"""Every official client, in an environment of its own, against real Guards: `make clients` makes the environments.

The files `with_*.py` hold the tests of one client each. They run in the environments, which have no Guard installed.
"""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from guard.demo.servers import ServerThread
from tests.clients.api.app import LlmApi
from tests.journeys.served import serve
from tests.tiny_bundle import make_tiny_bundle

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
ENVIRONMENTS = Path(os.environ.get("GUARD_CLIENTS_ENVIRONMENTS", ROOT / ".venv-clients"))

_OPENAI = (
    "with_openai_chat.py",
    "with_openai_responses.py",
    "with_openai_completions.py",
    "with_openai_moderations.py",
)
MATRIX = [
    *(("openai2", file) for file in (*_OPENAI, "with_litellm.py", "with_litellm_guardrail.py")),
    *(("openai3", file) for file in (*_OPENAI, "with_anthropic.py", "with_langchain.py")),
]
GUARDS = {
    "error": "refusal: error",
    "message": "refusal: message",
    "lenient": "policy: {on_unjudged: allow}",
    "answers": "judge_output: true",
    "answers_message": "judge_output: true\nrefusal: message",
    "overlap": "overlap: true",
}

pytestmark = pytest.mark.clients


@pytest.fixture(scope="module")
def addresses_for_clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    folder = tmp_path_factory.mktemp("clients")
    bundle = make_tiny_bundle(folder / "tiny").path
    with ExitStack() as stack:
        api = stack.enter_context(ServerThread(LlmApi().app)).url
        addresses = {"GUARD_CLIENTS_API": api}
        for name, settings in GUARDS.items():
            config = folder / f"{name}.yaml"
            config.write_text(f"{settings}\nthreads: 1\naccess_log: false\n")
            served = stack.enter_context(serve(bundle, "--config", str(config), "--upstream", f"{api}/v1"))
            addresses[f"GUARD_CLIENTS_{name.upper()}"] = served.url
        yield addresses


@pytest.mark.parametrize(("environment", "file"), MATRIX, ids=[f"{file} {name}" for name, file in MATRIX])
def test_client_works_the_same_with_guard_in_between(
    addresses_for_clients: Mapping[str, str], environment: str, file: str
) -> None:
    python = ENVIRONMENTS / environment / "bin" / "python"
    assert python.exists(), f"{python} is missing: run make clients"

    command: list[str | Path] = [python, "-m", "pytest", "-c", HERE / "clients.ini", "--rootdir", ROOT, HERE / file]
    run = subprocess.run(
        command,
        # LiteLLM would look at the network on import.
        env={**os.environ, **addresses_for_clients, "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        cwd=ROOT,
        timeout=900,
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stdout + run.stderr
    assert re.search(r"^\d+ passed(, \d+ warnings?)? in ", run.stdout, re.MULTILINE), run.stdout

"""litellm is set up before the first request, which would hold up every other one."""

import json
import subprocess
import sys

FIRST_REQUEST = """
import asyncio, json, sys
from guard.litellm_ready import litellm, make_ready
make_ready("openai/gpt-4o-mini")
before = set(sys.modules)

async def ask():
    try:
        await litellm.acompletion("openai/gpt-4o-mini", [{"role": "user", "content": "hello"}], max_retries=0,
                                  num_retries=0, api_base="http://127.0.0.1:9/v1", api_key="none", timeout=5)
    except Exception as error:
        return type(error).__name__

print(json.dumps({"ended": asyncio.run(ask()), "late": len(set(sys.modules) - before)}))
"""


def test_first_request_imports_next_to_nothing() -> None:
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FIRST_REQUEST], capture_output=True, text=True, timeout=300, check=True
    )
    found = json.loads(run.stdout.splitlines()[-1])
    assert found["ended"] in {"InternalServerError", "APIConnectionError"}
    assert found["late"] < 60  # 450 without


def test_a_model_that_nobody_knows_stops_nothing() -> None:
    code = "from guard.litellm_ready import make_ready\nmake_ready('')\nmake_ready('nobody/knows')\nprint('ready')"
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=300)
    assert (run.returncode, run.stdout) == (0, "ready\n"), run.stderr

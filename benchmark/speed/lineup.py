"""What is set side by side: the stand-in API bare, a bare forwarder, Guard, and LiteLLM's proxy without a guardrail."""

import importlib.util
import os
import sys
from pathlib import Path

import orjson

from benchmark.speed.processes import Recipe, free_port
from benchmark.speed.stand_in import MODEL
from guard.errors import UsageError

UPSTREAM, FORWARDER, GUARD, LITELLM = "upstream", "forwarder", "guard", "litellm"
_KEY = "sk-loopback"
_PATIENCE_S = 120


def upstream_recipe() -> Recipe:
    """Return the stand-in API that everything else forwards to."""
    port = free_port()
    return Recipe(UPSTREAM, [sys.executable, "-m", "benchmark.speed.stand_in", str(port)], port)


def forwarder_recipe(upstream: str) -> Recipe:
    """Return the bare aiohttp forwarder in front of `upstream`."""
    port = free_port()
    return Recipe(FORWARDER, [sys.executable, "-m", "benchmark.speed.forwarder", str(port), upstream], port)


def guard_recipe(upstream: str, bundle: str, folder: Path) -> Recipe:
    """Return `guard serve` in enforce mode with one worker; after the first request the verdict is cached.

    Its decisions are kept in `folder`, and not among those of whoever measures. The first request may take long: a
    picture is read for that, for many seconds where the machine is busy.
    """
    port = free_port()
    command = [sys.executable, "-m", "guard", "serve", "--upstream", upstream, "--port", str(port), "--bundle", bundle]
    environment = {
        "XDG_STATE_HOME": str(folder / "state"),
        "GUARD__LIMITS__SCORE_TIMEOUT_S": str(_PATIENCE_S),
        # They are judged when a Guard starts, and would be measured as if requests had cost it.
        "GUARD__MONITOR__CANARY_EVERY_S": "0",
    }
    return Recipe(GUARD, command, port, ready_path="/readyz", environment=environment)


def litellm_recipe(upstream: str, python: Path, folder: Path) -> Recipe:
    """Return LiteLLM's proxy with one worker and no guardrail, run by `python`; its configuration goes to `folder`."""
    port = free_port()
    config = folder / "litellm.yaml"  # JSON is YAML
    parameters = {"model": f"openai/{MODEL}", "api_base": f"{upstream}/v1", "api_key": "none"}
    config.write_bytes(orjson.dumps({"model_list": [{"model_name": MODEL, "litellm_params": parameters}]}))
    command = [str(python), "-m", "litellm.proxy.proxy_cli", "--config", str(config), "--num_workers", "1"]
    return Recipe(
        LITELLM,
        [*command, "--host", "127.0.0.1", "--port", str(port), "--telemetry", "False"],
        port,
        ready_path="/health/liveliness",
        environment={
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_MASTER_KEY": _KEY,
            "LITELLM_LOG": "ERROR",
        },
    )


def find_litellm(python: Path | None) -> Path | None:
    """Return the interpreter that has LiteLLM's proxy: the one given, else this one if it has; None without.

    Raises:
        UsageError: the one given is no program.
    """
    if python is not None:
        if not (python.is_file() and os.access(python, os.X_OK)):
            raise UsageError(f"speed: --litellm-python: there is no program {python}")
        return python
    has_it = all(importlib.util.find_spec(name) for name in ("litellm", "fastapi", "uvicorn", "backoff"))
    return Path(sys.executable) if has_it else None

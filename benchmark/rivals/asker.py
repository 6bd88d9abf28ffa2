"""Rivals whose packages cannot live beside Guard's: asked line by line, in a process of another Python."""

import asyncio
import json
import os
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from benchmark.judgement import UNREACHABLE
from benchmark.mllm.asking import Asking, Facts, GivenUp, Reply, Request, TryAgain, Unjudgeable
from guard.errors import UsageError
from guard.mllm.questions import Style
from guard.suites import data_url

LLM_GUARD, NEMO = "llm-guard", "nemo-guardrails"
OPENAI = "https://api.openai.com/v1"
FAILED = "rival_failed"
_KEY = "OPENAI_API_KEY"
_START_S = 600.0  # models may have to be fetched
_LONGEST_LINE = 2**20
_SPEAKER = Path(__file__).with_name("speaker.py")
# What the other Python must not take over from this one.
_NOT_INHERITED = frozenset({"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"})


class RivalAsker:
    """A rival in a process of its own, which judges one pair after the other."""

    style = Style.GUARD
    concurrency = 1

    def __init__(self, process: Process, facts: Facts, *, has_api: bool) -> None:
        self.facts = facts
        self._process, self._has_api = process, has_api
        self._turn = asyncio.Lock()

    @classmethod
    async def open(
        cls,
        name: str,
        asking: Asking,
        *,
        stand_in: Path | None = None,
        environment: Mapping[str, str] = os.environ,
    ) -> Self:
        """Return the rival once it is ready.

        Args:
            name: "llm-guard", or "nemo-guardrails:MODEL" with the LLM that its rail asks.
            asking: `python` is the other environment's Python; `api_base` the address of NeMo's LLM.
            stand_in: folder for tiny random models in place of LLM Guard's own.
            environment: passed on, but for what belongs to this Python.

        Raises:
            UsageError: not a rival, no such Python, package or key, or its models are not to be had.
        """
        kind, _, model = name.partition(":")
        spec = f"target rival:{name}"
        if kind not in {LLM_GUARD, NEMO} or (kind == NEMO) is not bool(model):
            raise UsageError(f"{spec}: not one of rival:{LLM_GUARD}, rival:{NEMO}:MODEL")
        if asking.python is None:
            raise UsageError(f"{spec}: name the Python of an environment that has it: --rival-python PATH")
        if asking.max_cost_usd is not None:
            raise UsageError(f"{spec}: what it spends is not known here, so --max-cost cannot end it")
        options: dict[str, str | None] = {"stand_in": str(stand_in) if stand_in else None}
        if kind == NEMO:
            key = environment.get(_KEY)
            if not key and asking.api_base is None:
                raise UsageError(f"{spec}: set {_KEY} in the environment, or --api-base")
            options = {"model": model, "api_base": (asking.api_base or OPENAI).rstrip("/"), "key": key}
        inherited = {key: value for key, value in environment.items() if key not in _NOT_INHERITED}
        try:
            process = await asyncio.create_subprocess_exec(
                asking.python,
                str(_SPEAKER),
                kind,
                stdin=PIPE,
                stdout=PIPE,
                stderr=DEVNULL,  # rivals log what they judge
                limit=_LONGEST_LINE,
                env={**inherited, "RIVAL_OPTIONS": json.dumps(options)},
            )
        except OSError as error:
            raise UsageError(f"{spec}: {asking.python}: {error.strerror}") from error
        try:
            facts = await _ready(process, spec)
        except BaseException:
            await _end(process)
            raise
        return cls(process, facts, has_api=kind == NEMO)

    async def ask(self, request: Request) -> Reply:
        """Return "safe" or "unsafe". Raises Unjudgeable, TryAgain, GivenUp."""
        pictures = [data_url(picture) for picture in request.pictures]
        line = json.dumps({"text": request.question.text, "pictures": pictures})
        async with self._turn:
            try:
                said = await _exchange(self._process, line)
            except asyncio.CancelledError:
                # Its answer is still to come, and must not be taken for that to the next question.
                await _end(self._process)
                raise
        if "code" in said:
            raise Unjudgeable(str(said["code"]))
        if isinstance(said.get("unsafe"), bool):
            return Reply("unsafe" if said["unsafe"] else "safe")
        # An LLM behind it may answer the next time; a local model fails on the same pair again.
        raise TryAgain(FAILED) if self._has_api else GivenUp(FAILED)

    async def close(self) -> None:
        """End the process."""
        await _end(self._process)


async def _ready(process: Process, spec: str) -> Facts:
    try:
        async with asyncio.timeout(_START_S):
            said = await _read(process)
    except TimeoutError as error:
        raise UsageError(f"{spec}: not ready in {_START_S:.0f} s (start_timeout)") from error
    except GivenUp as error:
        raise UsageError(f"{spec}: its process ended before it was ready (start_failed)") from error
    ready = said.get("ready")
    if not isinstance(ready, dict):
        raise UsageError(f"{spec}: {said.get('why', 'it does not start')} ({said.get('error', 'start_failed')})")
    return ready


async def _exchange(process: Process, line: str) -> Mapping[str, object]:
    if process.stdin is None or process.returncode is not None:
        raise GivenUp(UNREACHABLE)
    try:
        process.stdin.write(line.encode() + b"\n")
        await process.stdin.drain()
    except OSError as error:
        raise GivenUp(UNREACHABLE) from error
    return await _read(process)


async def _read(process: Process) -> Mapping[str, object]:
    """Return the next line's document. Raises GivenUp where there is none."""
    try:
        said = json.loads(await process.stdout.readline()) if process.stdout is not None else None
    except ValueError as error:  # no line, half a line, or one longer than any answer
        raise GivenUp(UNREACHABLE) from error
    if not isinstance(said, dict):
        raise GivenUp(UNREACHABLE)
    return said


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.wait()

"""A judge behind an API: any LLM that litellm reaches.

Importing litellm takes seconds, so this module is imported where it is configured, and nowhere else.
"""

import secrets
from collections.abc import Sequence
from typing import Any, ClassVar

import httpx

from guard.core.image import data_url
from guard.errors import ConfigInvalid, JudgeFailed, JudgeTimeout
from guard.judge_settings import JudgeSettings
from guard.litellm_ready import GLOBAL_LOGGING_WORKER, litellm, make_ready
from guard.ports import Opinion
from guard.second_opinion.prompt import ask, read
from guard.types import Direction

_MAX_TOKENS = 1000  # models that think first need room; the answer itself is a line
_LATE = (TimeoutError, httpx.TimeoutException, litellm.exceptions.Timeout)


class LitellmJudge:
    """An LLM that is given no tools, and whose conversations litellm does not log.

    Args:
        settings: `model` is set.
        key: of the API; None leaves it to the environment.

    Raises:
        ConfigInvalid: litellm knows no provider of that name, or a variable with the key is missing.
    """

    # litellm's connections are one set for the whole process: upstreams use them, and the judge of a bundle that takes
    # another one's place. Whoever is last closes them.
    _open: ClassVar[int] = 0

    def __init__(self, settings: JudgeSettings, key: str | None) -> None:
        self._model = settings.model or ""
        make_ready(self._model)
        url = None if settings.url is None else str(settings.url).rstrip("/")
        try:
            litellm.get_llm_provider(self._model, api_base=url)
        except litellm.exceptions.BadRequestError as error:
            raise ConfigInvalid(
                f"judge.model: litellm knows no provider of {self._model!r} (PROVIDER/MODEL)"
            ) from error
        missing = litellm.validate_environment(self._model)["missing_keys"]
        if key is None and missing:
            raise ConfigInvalid(f"judge.key: set it, or {' and '.join(missing)} in the environment")
        self._fixed: dict[str, Any] = {
            "model": self._model,
            "timeout": settings.timeout_s,
            "temperature": 0.0,
            "max_tokens": _MAX_TOKENS,
            "response_format": {"type": "json_object"},
            "drop_params": True,  # models that take no temperature, or no JSON mode, are asked all the same
            # What was asked is asked once: the request waits for it.
            "max_retries": 0,
            "num_retries": 0,
            # Looks for tools of litellm's proxy, and imports a package that litellm does not bring along.
            "_skip_mcp_handler": True,
        }
        self._fixed |= {"api_base": url} if url is not None else {}
        self._fixed |= {"api_key": key} if key is not None else {}
        self._is_open = True
        LitellmJudge._open += 1

    async def ask(self, text: str, pictures: Sequence[bytes], direction: Direction = Direction.INPUT) -> Opinion:
        """Return what the LLM says about a pair. Raises JudgeFailed."""
        fence, call = secrets.token_hex(16), secrets.token_hex(16)
        asked = ask(text, pictures=len(pictures), fence=fence, call=call, direction=direction)
        content: list[dict[str, Any]] = [{"type": "text", "text": asked.text}]
        content += [{"type": "image_url", "image_url": {"url": data_url(picture)}} for picture in pictures]
        messages = [{"role": "system", "content": asked.system}, {"role": "user", "content": content}]
        try:
            answer = await litellm.acompletion(messages=messages, **self._fixed)
        except Exception as error:  # translating what a provider says, litellm raises whatever it meets
            status = getattr(error, "status_code", None)
            said = f"HTTP {status}" if isinstance(status, int) else type(error).__name__
            kind = JudgeTimeout if isinstance(error, _LATE) else JudgeFailed
            raise kind(f"the judge's API gave no answer: {said}") from error
        return Opinion(_verdict(answer, asked), _dollars(answer))

    async def close(self) -> None:
        """Close litellm's connections where no other judge is open; idempotent."""
        if not self._is_open:
            return
        self._is_open = False
        LitellmJudge._open -= 1
        if LitellmJudge._open == 0:
            await litellm.close_litellm_async_clients()
            # Or the next judge is given the connections that were closed, perhaps those of another event loop.
            litellm.in_memory_llm_clients_cache.flush_cache()
            await GLOBAL_LOGGING_WORKER.stop()


def _verdict(answer: Any, asked: Any) -> bool | None:
    """Return what a finished answer says; one that was cut short or filtered says nothing."""
    choices = getattr(answer, "choices", None)
    if not choices or choices[0].finish_reason != "stop":
        return None
    return read(choices[0].message.content, asked)


def _dollars(answer: Any) -> float | None:
    # litellm has worked it out already; it is nothing for a model whose price it does not know.
    price = getattr(answer, "_hidden_params", {}).get("response_cost")
    return float(price) if price else None

"""Moderation endpoints in OpenAI's shape (`POST BASE/moderations`): OpenAI's, and every compatible one, Guard's too."""

import os
import re
from collections.abc import Mapping
from typing import Any

import aiohttp
import orjson

from benchmark.bounded import read_bounded
from benchmark.judgement import UNREACHABLE
from benchmark.mllm.asking import Asking, Facts, GivenUp, Reply, Request, TryAgain, Unjudgeable, served_name
from benchmark.mllm.retry_after import seconds_of
from guard.errors import UsageError
from guard.mllm.questions import Style
from guard.suites import data_url

OPENAI = "https://api.openai.com/v1"
_CODE = re.compile(r"image_[a-z0-9_]{1,58}")
_KEY = "OPENAI_API_KEY"


class ModerationAsker:
    """An endpoint that flags content. Its score for a pair is that of the likeliest category; the flag decides.

    Raises:
        UsageError: no key for OpenAI's own API.
    """

    style = Style.GUARD

    def __init__(self, model: str, asking: Asking, environment: Mapping[str, str] = os.environ) -> None:
        key = environment.get(_KEY)
        if not key and asking.api_base is None:
            raise UsageError(f"target moderation:{model}: set {_KEY} in the environment, or --api-base")
        base = (asking.api_base or OPENAI).rstrip("/")
        self.concurrency = asking.concurrency
        self.facts: Facts = {"model": model, "api_base": base}
        self._url, self._model = f"{base}/moderations", model
        headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {key}"} if key else {})
        self._session = aiohttp.ClientSession(
            headers=headers, timeout=aiohttp.ClientTimeout(total=asking.timeout_s), trust_env=True
        )

    async def ask(self, request: Request) -> Reply:
        """Return "safe" or "unsafe" with the highest category's score."""
        parts: list[dict[str, Any]] = [
            {"type": "image_url", "image_url": {"url": data_url(picture)}} for picture in request.pictures
        ]
        if request.question.text:
            parts.insert(0, {"type": "text", "text": request.question.text})
        body = orjson.dumps({"model": self._model, "input": parts})
        try:
            async with self._session.post(self._url, data=body, allow_redirects=False) as answer:
                raw, status, headers = await read_bounded(answer), answer.status, answer.headers
        except TimeoutError as error:
            raise TryAgain("target_timeout") from error
        except aiohttp.ClientError as error:
            raise TryAgain(UNREACHABLE) from error
        if status in {401, 403, 404}:
            raise UsageError(f"target moderation:{self._model}: {self._url} answers with HTTP {status}")
        if status == 429 or status >= 500:
            raise TryAgain(f"http_{status}", after_s=seconds_of(headers.get("retry-after")))
        if raw is None:
            raise TryAgain("answer_broken")
        if status != 200:
            code = _code_of(raw)
            raise Unjudgeable(code) if code else GivenUp(f"http_{status}")
        return _reply(raw)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()


def _reply(raw: bytes) -> Reply:
    try:
        document = orjson.loads(raw)
        results = document["results"]
        flagged = [result["flagged"] for result in results]
        scores = [score for result in results for score in (result.get("category_scores") or {}).values()]
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise TryAgain("answer_broken") from error
    if not flagged or not all(isinstance(flag, bool) for flag in flagged):
        raise TryAgain("answer_broken")
    probability = max(scores, default=None) if all(map(_is_share, scores)) else None
    return Reply(
        "unsafe" if any(flagged) else "safe", probability=probability, served_by=served_name(document.get("model"))
    )


def _is_share(score: object) -> bool:
    return isinstance(score, int | float) and not isinstance(score, bool) and 0 <= score <= 1


def _code_of(raw: bytes) -> str | None:
    """Return the error's own code where the endpoint has one for content that it cannot judge."""
    try:
        code = orjson.loads(raw)["error"]["code"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    return code if isinstance(code, str) and _CODE.fullmatch(code) else None

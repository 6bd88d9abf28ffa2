"""Any model that litellm reaches. Importing litellm takes seconds, so this module is imported where it is asked for."""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import httpx
import openai

from benchmark.judgement import UNREACHABLE
from benchmark.mllm.asking import Asking, Facts, GivenUp, Reply, Request, TryAgain, served_name
from benchmark.mllm.retry_after import seconds_of
from guard.errors import UsageError
from guard.litellm_ready import GLOBAL_LOGGING_WORKER, litellm, make_ready
from guard.mllm.questions import Style
from guard.mllm.yes_no import answer_place, masses, side_of, unsafe_probability
from guard.suites import data_url

# litellm maps what it meets to errors of openai's; the rest are those of the libraries below it.
_FAILURES = (openai.OpenAIError, httpx.HTTPError, aiohttp.ClientError, OSError, ValueError)
_LATE = (TimeoutError, httpx.TimeoutException, openai.APITimeoutError)
_NO_CONNECTION = (ConnectionError, httpx.TransportError, aiohttp.ClientConnectionError)
_UNREADABLE = (ValueError, TypeError, LookupError, AttributeError)
_MAX_TOKENS = 1024  # models that think first need room; an answer itself is a word
_ROUNDING = 1e-3  # of a logarithm
_TOP = 20  # the most that APIs give
_HOPELESS = {401: "the API does not accept the key", 403: "the key may not use this model", 404: "no such model"}
_FILTERED = ("content_policy", "content_filter", "content management policy", "responsibleaipolicy", "safety system")
_REFUSALS = frozenset({"content_filter", "refusal", "safety"})


class LitellmAsker:
    """A model behind an API. It is never given tools, and nothing of a request is logged by litellm.

    Args:
        model: as litellm names it ("openai/gpt-4o", "anthropic/…", "gemini/…", "ollama/…").
        asking: decoding, samples, base URL.

    Raises:
        UsageError: litellm does not know the provider, or a key is missing.
    """

    def __init__(self, model: str, asking: Asking) -> None:
        make_ready(model)
        self.concurrency = asking.concurrency
        self.style = Style.GUARD if "llama-guard" in model.lower() else Style.YES_NO
        self._model, self._asking = model, asking
        wanted: list[dict[str, Any]] = [
            {"temperature": 0.0 if asking.samples == 1 else 1.0},
            {"seed": asking.seed},
        ]
        if asking.logprobs and asking.samples == 1:
            wanted.append({"logprobs": True, "top_logprobs": _TOP})
        self._decoding, left_out = _taken(model, asking, wanted)
        self.facts: Facts = {
            "model": model,
            "api_base": asking.api_base or _address_of(model),
            "left_out": ", ".join(left_out) or None,
            **{name: float(value) for name, value in self._decoding.items()},
        }

    async def ask(self, request: Request) -> Reply:
        """Return the answer; a refusal by the API's own filter is one too."""
        more: dict[str, Any] = {} if self._asking.api_base is None else {"api_base": self._asking.api_base}
        decoding = dict(self._decoding)
        if "seed" in decoding:
            decoding["seed"] += request.sample
        try:
            answer = await litellm.acompletion(
                model=self._model,
                messages=_messages(request),
                timeout=self._asking.timeout_s,
                # Attempts are counted and paced here, once.
                max_retries=0,
                num_retries=0,
                _skip_mcp_handler=True,
                **decoding,
                **more,
            )
        except litellm.exceptions.ContentPolicyViolationError:
            return Reply("", is_refused=True)
        except _FAILURES as error:
            if getattr(error, "status_code", None) == 400 and _is_filtered(error):
                return Reply("", is_refused=True)
            raise _failure(error, self._model) from error
        return self._reply(answer)

    async def close(self) -> None:
        """Close litellm's connections."""
        await litellm.close_litellm_async_clients()
        # Or the next model in this process is given the clients that were closed.
        litellm.in_memory_llm_clients_cache.flush_cache()
        await GLOBAL_LOGGING_WORKER.stop()

    def _reply(self, answer: Any) -> Reply:
        if not getattr(answer, "choices", None):
            raise TryAgain("answer_broken")
        choice, usage = answer.choices[0], getattr(answer, "usage", None)
        message = choice.message
        refusal = getattr(message, "refusal", None) or (getattr(message, "provider_specific_fields", None) or {}).get(
            "refusal"
        )
        text = message.content if isinstance(message.content, str) else ""
        return Reply(
            text,
            is_refused=bool(refusal) or (choice.finish_reason in _REFUSALS and not text.strip()),
            probability=_probability(choice, text, self.style),
            tokens_in=_count(getattr(usage, "prompt_tokens", 0)),
            tokens_out=_count(getattr(usage, "completion_tokens", 0)),
            cost_usd=_price(answer),
            served_by=served_name(getattr(answer, "model", None)),
        )


def _taken(model: str, asking: Asking, wanted: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], list[str]]:
    """Return the decoding that a model takes, and the names of what it does not: many that think take no temperature.

    Raises:
        UsageError: litellm does not know the provider, or a key is missing.
    """
    try:
        name, provider, _, _ = litellm.get_llm_provider(model, api_base=asking.api_base)
    except litellm.exceptions.BadRequestError as error:
        raise UsageError(
            f"target litellm:{model}: litellm knows no provider of that name (write PROVIDER/MODEL)"
        ) from error
    found = litellm.validate_environment(model)
    if asking.api_base is None and found["missing_keys"]:
        raise UsageError(f"target litellm:{model}: set {' and '.join(found['missing_keys'])} in the environment")
    supported = frozenset(litellm.get_supported_openai_params(name, custom_llm_provider=provider) or ())
    decoding: dict[str, Any] = {"max_tokens": asking.max_tokens or _MAX_TOKENS}
    left_out: list[str] = []
    for options in wanted:
        if options.keys() <= supported and _goes(name, provider, {**decoding, **options}):
            decoding |= options
        else:
            left_out += options
    return decoding, left_out


def _address_of(model: str) -> str | None:
    """Return the address that a variable of the provider's sets, without what may be secret in it; None for none."""
    _, provider, _, _ = litellm.get_llm_provider(model)
    names = (f"{provider.upper()}_BASE_URL", f"{provider.upper()}_API_BASE")
    set_to = next((os.environ[name] for name in names if os.environ.get(name)), None)
    parts = urlsplit(set_to or "")
    return None if set_to is None else f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _goes(model: str, provider: str, decoding: Mapping[str, Any]) -> bool:
    """Return whether a model takes these values together: what it takes at all does not say so."""
    try:
        litellm.utils.get_optional_params(model=model, custom_llm_provider=provider, **decoding)
    except litellm.exceptions.UnsupportedParamsError:
        return False
    return True


def _messages(request: Request) -> list[dict[str, Any]]:
    pictures = [{"type": "image_url", "image_url": {"url": data_url(picture)}} for picture in request.pictures]
    content: Any = [*pictures, {"type": "text", "text": request.question.text}] if pictures else request.question.text
    system = request.question.system
    messages = [] if system is None else [{"role": "system", "content": system}]
    return [*messages, {"role": "user", "content": content}]


def _probability(choice: Any, text: str, style: Style) -> float | None:
    written = getattr(getattr(choice, "logprobs", None), "content", None) or []
    place = answer_place([token.token for token in written], text, style)
    if place is None:
        return None
    token, likely = written[place].token, _share(written[place].logprob)
    listed = {top.token: _share(top.logprob) for top in getattr(written[place], "top_logprobs", None) or []}
    if math.isnan(likely) or any(map(math.isnan, listed.values())):
        return None
    if listed:
        return unsafe_probability(*masses({token: likely, **listed}, style))
    side = side_of(token, style)
    if side is None:
        return None
    # Alternatives are not listed: whatever is not this token counts as the other side.
    return unsafe_probability(1 - likely, likely) if side else unsafe_probability(likely, 1 - likely)


def _share(logprob: Any) -> float:
    """Return a probability, NaN where an API's logarithm is none; a little above 0 is rounding."""
    is_one = isinstance(logprob, int | float) and logprob <= _ROUNDING
    return min(1.0, math.exp(logprob)) if is_one else math.nan


def _count(tokens: Any) -> int:
    return max(0, tokens) if isinstance(tokens, int) else 0


def _price(answer: Any) -> float | None:
    # litellm has worked it out already; asking again raises a bare Exception for a model without a price.
    price = getattr(answer, "_hidden_params", {}).get("response_cost")
    return float(price) if price and math.isfinite(price) and price > 0 else None


def _is_filtered(error: Exception) -> bool:
    """Return whether an API's filter turned a request down, in one of the ways that litellm does not tell apart."""
    said = f"{error} {getattr(error, 'body', '')}".lower()
    return any(sign in said for sign in _FILTERED)


def _failure(error: Exception, model: str) -> Exception:
    causes = list(_causes(error))
    # litellm makes a 500 or a 422 of its own of an answer that it cannot read, and of a connection that failed.
    said = next((cause.response.status_code for cause in causes if isinstance(cause, httpx.HTTPStatusError)), None)
    status = said or getattr(error, "status_code", None)
    if any(isinstance(cause, _LATE) for cause in causes):
        return TryAgain("target_timeout")
    if status in _HOPELESS:
        return UsageError(f"target litellm:{model}: {_HOPELESS[status]} (HTTP {status})")
    if status in {429, 503}:
        return TryAgain(f"http_{status}", after_s=_wait_of(error))
    if said is None and any(isinstance(cause, _NO_CONNECTION) for cause in causes):
        return TryAgain(UNREACHABLE)
    if said is None and any(isinstance(cause, _UNREADABLE) for cause in causes):
        return TryAgain("answer_broken")
    if isinstance(status, int) and 400 <= status < 500:
        return GivenUp(f"http_{status}")
    return TryAgain("answer_broken" if said is None else f"http_{said}")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _wait_of(error: Exception) -> float | None:
    headers: Mapping[str, str] = getattr(getattr(error, "response", None), "headers", None) or {}
    more: Mapping[str, str] = getattr(error, "litellm_response_headers", None) or {}
    return seconds_of(headers.get("retry-after") or more.get("retry-after"))

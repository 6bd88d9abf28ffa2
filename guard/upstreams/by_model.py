"""Several upstreams behind one: the model that a request names decides which one gets it."""

import asyncio
from collections.abc import Iterable, Mapping
from urllib.parse import unquote

import orjson

from guard.errors import UnknownModel
from guard.ports import Upstream, UpstreamRequest, UpstreamResponse
from guard.upstreams.listing import listing

_MODELS = "/v1/models"
_ONE_MODEL = f"{_MODELS}/"


def rest_of(model: str, pattern: str) -> str | None:
    """Return what a pattern's star stands for in a model's name ("" without a star), None where it does not fit."""
    if not pattern.endswith("*"):
        return "" if model == pattern else None
    start = pattern[:-1]
    return model[len(start) :] if model.startswith(start) else None


def best_pattern(model: str, patterns: Iterable[str]) -> str | None:
    """Return the pattern that fits a model best: its very name, else the longest beginning; None where none fits."""
    fitting = [pattern for pattern in patterns if rest_of(model, pattern) is not None]
    return max(fitting, key=lambda pattern: (not pattern.endswith("*"), len(pattern)), default=None)


class ByModel:
    """An `Upstream` made of others.

    Args:
        default: gets every request that names no model, or one that nobody else serves; None refuses those, and lists
            the models that are named in `others`.
        others: pattern of models -> who serves them. One `Upstream` may stand behind several patterns.
    """

    def __init__(self, default: Upstream | None, others: Mapping[str, Upstream]) -> None:
        self._default = default
        self._others = others

    async def send(self, request: UpstreamRequest) -> UpstreamResponse:
        """Return once the head of the answer is here. Raises UnknownModel, and what the chosen upstream raises."""
        if self._default is None and (request.method, request.path) == ("GET", _MODELS):
            return listing(self._others)
        model = request.model if request.model is not None else _model_in(request)
        return await self._choose(model).send(request)

    async def close(self) -> None:
        """Close every upstream; idempotent."""
        everyone = {id(upstream): upstream for upstream in (self._default, *self._others.values()) if upstream}
        await asyncio.gather(*(upstream.close() for upstream in everyone.values()))

    def _choose(self, model: str | None) -> Upstream:
        pattern = None if model is None else best_pattern(model, self._others)
        chosen = self._default if pattern is None else self._others[pattern]
        if chosen is None:
            raise UnknownModel("no upstream serves this model (upstream.others), and there is no upstream.url")
        return chosen


def _model_in(request: UpstreamRequest) -> str | None:
    """Return the model of a request that nobody judged (mode off, a look-up of one model), None where it names none."""
    if request.path.startswith(_ONE_MODEL):
        return unquote(request.path[len(_ONE_MODEL) :])
    try:
        document = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        return None
    model = document.get("model") if isinstance(document, dict) else None
    return model if isinstance(model, str) else None

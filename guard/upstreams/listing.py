"""Answers to GET /v1/models where no LLM API is there to give them: the names in the configuration."""

from collections.abc import AsyncIterator, Iterable, Sequence

import orjson


class Listing:
    """An `UpstreamResponse` with a list of models, or one."""

    status = 200

    def __init__(self, document: dict[str, object]) -> None:
        self._body = orjson.dumps(document)
        length = str(len(self._body))
        self.headers: Sequence[tuple[str, str]] = [("content-type", "application/json"), ("content-length", length)]

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body."""
        yield self._body

    async def close(self) -> None:
        """Nothing is open."""


def listing(patterns: Iterable[str]) -> Listing:
    """Return the models that are named without a star, as OpenAI lists them."""
    return Listing({"object": "list", "data": [_model(name) for name in patterns if not name.endswith("*")]})


def one_model(name: str) -> Listing:
    """Return one model, as OpenAI shows it."""
    return Listing(_model(name))


def _model(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "upstream"}

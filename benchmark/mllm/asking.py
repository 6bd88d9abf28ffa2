"""The port of models that are asked, and the values that go to and come from them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import orjson

from guard.mllm.questions import Mitigation, Question, Style

_LONGEST_NAME = 200
Facts = Mapping[str, str | float | None]


@dataclass(frozen=True, slots=True)
class Asking:
    """How a model is asked; what does not concern it is left alone."""

    mitigation: Mitigation = Mitigation.NONE
    samples: int = 1  # for APIs without logprobs: the share of "unsafe" is the score
    seed: int = 0
    max_tokens: int | None = None
    logprobs: bool = True
    threshold: float | None = None  # on P(unsafe): decides in place of the answer's words
    concurrency: int = 8
    requests_per_minute: float | None = None
    attempts: int = 6
    timeout_s: float | None = 120.0  # None: as long as it takes
    max_cost_usd: float | None = None
    api_base: str | None = None
    revision: str | None = None
    device: str = "cpu"
    python: Path | None = None  # of the environment that a rival is installed in
    cache: Path | None = None  # None: nothing is kept


@dataclass(frozen=True, slots=True)
class Request:
    """One question with its pictures; `sample` tells several answers to it apart."""

    question: Question
    pictures: tuple[bytes, ...] = ()
    sample: int = 0

    def digest(self, facts: Facts) -> str:
        """Return the SHA-256 of all that the answer depends on: the model's facts, the question, the pictures."""
        pictures = [hashlib.sha256(picture).hexdigest() for picture in self.pictures]
        parts = [dict(facts), self.question.system, self.question.text, pictures, self.sample]
        return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    text: str
    is_refused: bool = False  # the API says so
    probability: float | None = None  # of "unsafe", by the model's own account
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: float | None = None  # None where no price is known
    latency_ms: float = 0.0
    served_by: str | None = None  # the model's name in the answer


def served_name(said: object) -> str | None:
    """Return the model's name in an answer as far as it is one; an API may say anything there."""
    if not isinstance(said, str) or not said.strip():
        return None
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in said[:_LONGEST_NAME])


class Asker(Protocol):
    """A model. Implementations: litellm, a local Hugging Face model, a moderation endpoint."""

    @property
    def facts(self) -> Facts:
        """What answers depend on: model, revision, decoding, seed. Part of the run's header and of the cache's key."""
        ...

    @property
    def style(self) -> Style:
        """What it expects and answers."""
        ...

    @property
    def concurrency(self) -> int:
        """How many requests may be under way."""
        ...

    async def ask(self, request: Request) -> Reply:
        """Return its answer. Raises TryAgain, GivenUp, Unjudgeable; UsageError where no request can succeed."""
        ...

    async def close(self) -> None:
        """Give up what was opened; idempotent."""
        ...


class TryAgain(Exception):
    """No answer this time: too many requests, a fault of the API, a connection that broke."""

    def __init__(self, code: str, *, after_s: float | None = None) -> None:
        super().__init__(code)
        self.code, self.after_s = code, after_s


class NoAnswer(Exception):
    """A request that stays without an answer in this run."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code
        self.requests = 0  # sent for it, in vain


class GivenUp(NoAnswer):
    """No answer, and asking again in this run is no use."""


class Unjudgeable(NoAnswer):
    """The model cannot see this content: no picture where it needs one, a file that is no picture."""

"""The ports: what the pipeline needs from the outside. Each has a contract suite in tests/contracts/."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from guard.types import Decision, Direction, Frame, Mode, Pair, PreparedPair, Scores


@dataclass(frozen=True, slots=True)
class ScorerInfo:
    """What judges: labels of `guard_bundle_info`."""

    bundle: str  # name and version
    digest: str
    backend: str  # "onnxruntime"
    provider: str  # "CPUExecutionProvider"
    precision: str  # "int8", "fp16", "fp32"


class Scorer(Protocol):
    """Gives raw scores to prepared pairs. Implementations: `guard.scorers.onnx`, a fake in `tests/fakes.py`."""

    @property
    def info(self) -> ScorerInfo:
        """What judges here; constant over the scorer's life."""
        ...

    async def score(self, pairs: Sequence[PreparedPair]) -> list[Scores]:
        """Return one `Scores` per pair, in order. Raises ScorerFailed, TextTooLong."""
        ...

    async def text_likelihood(self, frame: Frame) -> float:
        """Return how likely the picture holds writing, in [0, 1]: decides whether OCR runs. Raises ScorerFailed."""
        ...

    async def close(self) -> None:
        """Give up sessions and threads; idempotent."""
        ...


class TextReader(Protocol):
    """Reads the writing in a picture. Implementations: `guard.perception.ocr.RapidOcrReader`, `NoReader`."""

    async def read(self, frame: Frame) -> str:
        """Return the writing in reading order, lines joined by newlines, "" when there is none. Raises OcrFailed."""
        ...

    async def close(self) -> None:
        """Give up models and threads; idempotent."""
        ...


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a judge said: whether a pair is unsafe, None where it said neither; and what that cost, if it is known."""

    is_unsafe: bool | None
    dollars: float | None = None


class SecondOpinion(Protocol):
    """A slow judge. Implementations: `guard.second_opinion.through_litellm`, `guard.second_opinion.local`."""

    async def ask(self, text: str, pictures: Sequence[bytes], direction: Direction = Direction.INPUT) -> Opinion:
        """Return what it says about a pair, a prompt or an answer.

        Raises JudgeFailed, whose message holds nothing of the content.
        """
        ...

    async def close(self) -> None:
        """Give up models and threads; idempotent."""
        ...


# Called with the size of each piece of a picture before the next one is read; raises where there is room for no more.
Spend: TypeAlias = Callable[[int], None]


def spend_freely(size_bytes: int) -> None:
    """Let everything pass."""


class Fetcher(Protocol):
    """Brings pictures from URLs. Implementations: `guard.perception.fetch.HttpFetcher`, `NoFetcher`."""

    async def fetch(self, url: str, spend: Spend = spend_freely) -> bytes:
        """Return the bytes of a picture. Raises ImageUnreachable, ImageRejected, and whatever `spend` raises."""
        ...

    async def close(self) -> None:
        """Close connections; idempotent."""
        ...


@dataclass(frozen=True, slots=True)
class UpstreamRequest:
    """A request for the LLM API: `path` below the base URL ("/v1/chat/completions"), headers already filtered.

    `model` is the one that was judged, and None where nobody read it. `keys` are those of the tenant whose request it
    is, by the name of the upstream that each is for: it goes there, in place of that upstream's own, and nowhere else.
    Where there are any, no upstream is sent what the caller showed.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    model: str | None = None
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)


class UpstreamResponse(Protocol):
    """An answer of the LLM API whose head has arrived."""

    @property
    def status(self) -> int:
        """HTTP status."""
        ...

    @property
    def headers(self) -> Sequence[tuple[str, str]]:
        """End-to-end headers, names in lower case; `content-length` only where `chunks` gives that many bytes."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes. Raises UpstreamBroken, UpstreamTimeout."""
        ...

    async def close(self) -> None:
        """Drop the connection if the body was not read to its end; idempotent."""
        ...


class Upstream(Protocol):
    """Sends requests to an LLM API. Implementations: `guard.upstreams.passthrough`, `litellm`, `by_model`."""

    async def send(self, request: UpstreamRequest) -> UpstreamResponse:
        """Return once the head of the answer is here.

        Raises UpstreamUnreachable, UpstreamTimeout, UpstreamBroken; RequestInvalid where this API cannot be asked that.
        """
        ...

    async def close(self) -> None:
        """Close idle connections; idempotent."""
        ...


@dataclass(frozen=True, slots=True)
class Occasion:
    """On what occasion a decision was made: what was judged, and the request, in which its end user may be named."""

    route: str
    tenant: str
    mode: Mode
    pairs: Sequence[Pair] = field(default=(), repr=False)
    document: Mapping[str, Any] = field(default_factory=dict, repr=False)


class Recorder(Protocol):
    """Remembers decisions: `guard.store.memory.Memory`, without whom nobody who serves has to load SQLAlchemy."""

    def record(self, decision: Decision, occasion: Occasion) -> Awaitable[None] | None:
        """Keep a decision. What comes back, if anything, is awaited before the decision is acted upon.

        Raises:
            AuditUnavailable: when awaited; the decision cannot be kept, and nothing may pass that is not.
        """
        ...

    def record_late(self, decision: Decision, occasion: Occasion) -> None:
        """Keep a decision that was acted upon before anybody could wait for that."""
        ...

"""Fakes of the ports, small enough to see through. They pass the same contract suites as the real adapters."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from guard.errors import GuardError, ImageUnreachable, UpstreamBroken
from guard.ports import ScorerInfo, Spend, UpstreamRequest, spend_freely
from guard.types import ATTACKS, SCENARIOS, Frame, PreparedPair, Scores


def scores(unsafe: float, *, text_alone: float | None = None, image_alone: float | None = None) -> Scores:
    """Return scores whose scenario and attack logits are all -4."""
    return Scores(
        unsafe=unsafe,
        scenarios=(-4.0,) * len(SCENARIOS),
        attacks=(-4.0,) * len(ATTACKS),
        text_alone=text_alone,
        image_alone=image_alone,
    )


def score_by_words(pair: PreparedPair) -> Scores:
    """Return logit 4 where "bomb" stands in the text or in the pictures' writing, and -4 elsewhere."""

    def logit(text: str) -> float:
        return 4.0 if "bomb" in text.lower() else -4.0

    return scores(
        logit(" ".join((pair.text, *pair.ocr))),
        text_alone=logit(pair.text) if pair.text else None,
        image_alone=logit(" ".join(pair.ocr)) if pair.frames else None,
    )


_FIXED = ScorerInfo("fixed-1", "0" * 64, "fake", "CPUExecutionProvider", "fp32")


@dataclass
class FixedScorer:
    """A scorer that does what it is told, and remembers what it was asked.

    `failure` is raised instead of an answer, `delay_s` waited before it, `hang` waits for ever.
    """

    rule: Callable[[PreparedPair], Scores] = score_by_words
    writing: float = 0.0
    failure: Exception | None = None
    delay_s: float = 0.0
    hang: bool = False
    asked: list[PreparedPair] = field(default_factory=list)
    is_closed: bool = False
    info: ScorerInfo = _FIXED

    async def score(self, pairs: Sequence[PreparedPair]) -> list[Scores]:
        self.asked.extend(pairs)
        if self.hang:
            await asyncio.Event().wait()
        await asyncio.sleep(self.delay_s)
        if self.failure is not None:
            raise self.failure
        return [self.rule(pair) for pair in pairs]

    async def text_likelihood(self, frame: Frame) -> float:
        if self.failure is not None:
            raise self.failure
        return self.writing

    async def close(self) -> None:
        self.is_closed = True


@dataclass
class FixedReader:
    """A reader that finds the same writing in every picture, or fails."""

    text: str = ""
    failure: GuardError | None = None
    read_frames: list[Frame] = field(default_factory=list)
    is_closed: bool = False

    async def read(self, frame: Frame) -> str:
        self.read_frames.append(frame)
        if self.failure is not None:
            raise self.failure
        return self.text

    async def close(self) -> None:
        self.is_closed = True


@dataclass
class FixedFetcher:
    """Has some pictures by URL; others are unreachable."""

    pictures: dict[str, bytes] = field(default_factory=dict)
    fetched: list[str] = field(default_factory=list)
    is_closed: bool = False

    async def fetch(self, url: str, spend: Spend = spend_freely) -> bytes:
        self.fetched.append(url)
        if url not in self.pictures:
            raise ImageUnreachable("unreachable")
        spend(len(self.pictures[url]))
        return self.pictures[url]

    async def close(self) -> None:
        self.is_closed = True


@dataclass
class FakeResponse:
    """An upstream's answer made of fixed chunks; with `breaks`, it ends in the middle."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: Sequence[bytes]
    breaks: bool = False
    delay_s: float = 0.0
    is_closed: bool = False

    async def chunks(self) -> AsyncIterator[bytes]:
        for chunk in self.body:
            await asyncio.sleep(self.delay_s)
            yield chunk
        if self.breaks:
            raise UpstreamBroken("the LLM API broke off")

    async def close(self) -> None:
        self.is_closed = True


@dataclass
class FakeUpstream:
    """An LLM API that gives the same answer to everyone, and remembers what it was sent."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "application/json"})
    body: Sequence[bytes] = (b'{"object":"chat.completion","choices":[]}',)
    failure: GuardError | None = None
    breaks: bool = False
    delay_s: float = 0.0
    sent: list[UpstreamRequest] = field(default_factory=list)
    answers: list[FakeResponse] = field(default_factory=list)
    is_closed: bool = False

    async def send(self, request: UpstreamRequest) -> FakeResponse:
        self.sent.append(request)
        if self.failure is not None:
            raise self.failure
        answer = FakeResponse(self.status, tuple(self.headers.items()), self.body, self.breaks, self.delay_s)
        self.answers.append(answer)
        return answer

    async def close(self) -> None:
        self.is_closed = True

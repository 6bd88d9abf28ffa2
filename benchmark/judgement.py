"""What a target says about one pair, and the port that every target implements."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from guard import Pair

UNREACHABLE = "target_unreachable"  # code of a judgement that never came, for want of a connection


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict on one pair, or the stable code of why there is none.

    `failed` tells a fault of the target (it did not answer) from content that it could not judge. The fields from
    `answer` on are those of models that are asked in words.
    """

    unsafe: bool | None  # None without a verdict
    probability: float | None = None  # of "unsafe", in [0, 1]; None for a target without scores
    code: str | None = None
    failed: bool = False
    cause: str | None = None
    answer: str | None = None  # what kind of answer it was: `guard.mllm.answers.Kind`
    lenient: bool | None = None  # whether it says "unsafe" by the lenient reading; `unsafe` is the strict one
    requests: int = 0  # sent for it; 0 for an answer from the cache
    is_cached: bool = False
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: float | None = None  # None where no price is known
    served_by: str | None = None  # the model's name in the answer: an alias may point to another one tomorrow
    asked_ms: float | None = None  # of the requests that were answered, without pauses; None: measured by the runner

    def __post_init__(self) -> None:
        if self.unsafe is None and self.code is None:
            raise ValueError("a judgement without a verdict names its code")
        if self.failed and self.unsafe is not None:
            raise ValueError("a target that failed gives no verdict")


@dataclass(frozen=True, slots=True)
class TargetInfo:
    """What a run's figures belong to."""

    spec: str  # as on the command line
    kind: str  # "embedded", "bundle", "http", or the whole spec of a control or a model
    bundle: str | None = None  # digest
    policy: str | None = None
    threshold: float | None = None  # on the probability: at or above it a pair is unsafe
    reader: str | None = None  # of writing in pictures: its release, or "none"; None where it is not known here
    details: Mapping[str, str | float | None] = field(default_factory=dict)  # of a model: revision, question, decoding

    def identity(self) -> dict[str, str | float | None]:
        """Return what must be equal for a run to be continued: a bundle is known by its digest, not by its place."""
        return {
            "kind": self.kind,
            "bundle": self.bundle,
            "policy": self.policy,
            "threshold": self.threshold,
            "reader": self.reader,
            **self.details,
        }


class Target(Protocol):
    """Something that judges pairs. Implementations: Guard in this process or over HTTP, MLLMs, constant controls."""

    @property
    def info(self) -> TargetInfo:
        """What is measured; constant over the target's life."""
        ...

    @property
    def concurrency(self) -> int:
        """How many pairs may be judged at once without one waiting for another's whole work."""
        ...

    async def judge(self, pair: Pair) -> Judgement:
        """Return what the target says. Its failures are judgements too; this raises nothing."""
        ...

    async def close(self) -> None:
        """Give up what was opened; idempotent."""
        ...

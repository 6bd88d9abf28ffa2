"""Judges for tests: they say what they are told, and remember what they were asked; and a policy that they judge by."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from guard.core.policy import Policy, decide
from guard.judge_settings import JudgeSettings
from guard.ports import Opinion
from guard.second_opinion.bands import Between
from guard.second_opinion.cascade import Cascade
from guard.telemetry import Telemetry
from guard.types import Assessment, Decision, Direction, Pair
from tests.fakes import scores

POLICY = Policy(name="balanced", threshold=0.5, bundle="b" * 64, to_probability=float)


@dataclass
class FixedJudge:
    """Says `rule` of each text. `failure` is raised instead, `hang` waits for ever."""

    rule: Callable[[str], bool | None] = lambda text: "bad" in text
    dollars: float | None = 0.001
    failure: Exception | None = None
    hang: bool = False
    asked: list[str] = field(default_factory=list)
    directions: list[Direction] = field(default_factory=list)
    is_asked: asyncio.Event = field(default_factory=asyncio.Event)
    is_closed: bool = False

    async def ask(self, text: str, pictures: Sequence[bytes], direction: Direction = Direction.INPUT) -> Opinion:
        self.asked.append(text)
        self.directions.append(direction)
        self.is_asked.set()
        if self.hang:
            await asyncio.Event().wait()
        if self.failure is not None:
            raise self.failure
        return Opinion(self.rule(text), self.dollars)

    async def close(self) -> None:
        self.is_closed = True


@dataclass
class Bench:
    """A cascade with its judge, its metrics and its clock in reach."""

    judge: FixedJudge
    cascade: Cascade
    telemetry: Telemetry
    time: list[float]

    def metric(self, name: str, **labels: str) -> float:
        return self.telemetry.registry.get_sample_value(name, labels) or 0.0

    def count(self, result: str) -> float:
        """Return how many pairs came to this, whatever the guard thought of them."""
        return sum(
            self.metric("guard_judge_opinions_total", policy="balanced", guard=guard, result=result)
            for guard in ("allow", "flag", "review", "block")
        )

    async def decide(self, *pairs: tuple[str, float], policy: Policy = POLICY, **more: Any) -> list[Decision]:
        """Return the decisions about texts of one request, each with the guard's probability."""
        judged = [Pair(text, **more) for text, _ in pairs]
        assessments = [Assessment(scores(value), key=text.encode()) for text, value in pairs]
        direction = judged[0].direction if judged else Direction.INPUT
        decisions = [decide(one, policy, id_=str(n), direction=direction) for n, one in enumerate(assessments)]
        return await self.cascade.reconsider(judged, assessments, decisions, policy)


def make_bench(
    judge: FixedJudge | None = None, *, allow: float = 0.3, block: float = 0.7, share: float = 1.0, **settings: Any
) -> Bench:
    """Return a cascade between two probabilities, whose time stands still."""
    judge, telemetry, time = judge or FixedJudge(), Telemetry(), [1_000_000.0]
    said = JudgeSettings.model_validate({"model": "openai/x", "band": {"allow": allow, "block": block}, **settings})
    cascade = Cascade(
        judge,
        said,
        band=Between(allow, block),
        telemetry=telemetry,
        share=share,
        now=lambda: time[0],
        clock=lambda: time[0],
    )
    return Bench(judge, cascade, telemetry, time)

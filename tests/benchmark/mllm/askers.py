"""Models that answer as told, and a clock that tests turn."""

from dataclasses import replace

from benchmark.mllm.asking import Asking, Reply, Request
from benchmark.mllm.calling import Caller
from guard.mllm.questions import Question, Style

REQUEST = Request(Question("Is it safe?"), (b"picture",))


class FakeAsker:
    """Answers as told, failures first."""

    style = Style.YES_NO
    concurrency = 4

    def __init__(self, *failures: Exception, reply: Reply | None = None) -> None:
        self.facts: dict[str, str | float | None] = {"model": "fake", "seed": 0.0}
        self.failures = list(failures)
        self.asked = 0
        self._reply = Reply("Yes") if reply is None else reply

    async def ask(self, request: Request) -> Reply:
        self.asked += 1
        if self.failures:
            raise self.failures.pop(0)
        return self._reply

    async def close(self) -> None:
        pass


class Clock:
    """Time that passes when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def __call__(self) -> float:
        return self.now


def make_caller(asker: FakeAsker, clock: Clock, **asking: object) -> Caller:
    return Caller(asker, replace(Asking(), **asking), sleep=clock.sleep, clock=clock)  # type: ignore[arg-type]

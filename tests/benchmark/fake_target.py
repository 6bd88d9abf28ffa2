"""A target of the port `Target` that judges by a function of the pair, and counts what it was asked."""

from collections.abc import Callable

from benchmark.judgement import Judgement, TargetInfo
from guard import Pair

Judge = Callable[[Pair], Judgement]


def by_word(pair: Pair) -> Judgement:
    """Score 0.9 and unsafe with the word "bomb", 0.1 and safe without."""
    return Judgement("bomb" in pair.text, 0.9 if "bomb" in pair.text else 0.1)


class FakeTarget:
    """Answers at once, and raises `KilledError` after `die_after` pairs, as if the process had been killed."""

    concurrency = 2

    def __init__(self, judge: Judge = by_word, *, spec: str = "fake", die_after: int | None = None) -> None:
        self.info = TargetInfo(spec, spec, bundle="0" * 64, policy="balanced", threshold=0.5)
        self.asked: list[Pair] = []
        self._judge = judge
        self._die_after = die_after

    async def judge(self, pair: Pair) -> Judgement:
        if self._die_after is not None and len(self.asked) >= self._die_after:
            raise KilledError
        self.asked.append(pair)
        return self._judge(pair)

    async def close(self) -> None:
        pass


class KilledError(Exception):
    """The run ends here, without a chance to say anything."""

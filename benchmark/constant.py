"""Targets that always say the same: the floor that any guard must beat."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from benchmark.judgement import Judgement, TargetInfo
from guard import Pair

ALWAYS: Mapping[str, bool] = MappingProxyType({"always_block": True, "always_allow": False})


@dataclass(frozen=True, slots=True)
class ConstantTarget:
    """Says the same of every pair, without looking."""

    name: str  # key of ALWAYS
    concurrency: int = 1

    @property
    def info(self) -> TargetInfo:
        """The control's name is all there is."""
        spec = f"control:{self.name}"
        return TargetInfo(spec, spec)

    async def judge(self, pair: Pair) -> Judgement:
        """Return the same for every pair, without a score."""
        return Judgement(ALWAYS[self.name])

    async def close(self) -> None:
        """There is nothing to close."""

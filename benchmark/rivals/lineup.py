"""Who stands beside Guard: how each is opened, and what stands in for it where it cannot be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmark.mllm.asking import Asking
from benchmark.ready import READY
from benchmark.rivals.stand_ins import (
    ENDPOINT,
    LLAMA_GUARD,
    LLAMA_GUARD_4,
    NEMO,
    RANDOM_LLM_GUARD,
    SHIELDGEMMA,
    StandIn,
)
from guard.errors import UsageError


@dataclass(frozen=True, slots=True)
class Contender:
    """A guard: the target that is it, and what stands in for it."""

    name: str
    spec: str
    sees: str
    asking: Asking | None = None  # None: Guard, which is not asked in words
    stand_in: StandIn | None = None
    options: Mapping[str, str] = field(default_factory=dict)  # of `benchmark run`, as they are called side by side

    @property
    def folder(self) -> str:
        """Its run's folder, below that of all."""
        return self.name.lower().replace(" ", "-")


@dataclass(frozen=True, slots=True)
class Places:
    """Where rivals are to be found, as far as they are not on Hugging Face."""

    guard: str = "embedded"
    moderation_base: str | None = None  # None: OpenAI's
    llm_guard_python: Path | None = None
    nemo_python: Path | None = None
    nemo_model: str = "gpt-4.1"
    nemo_base: str | None = None  # None: OpenAI's


def line_up(places: Places, asking: Asking, only: Sequence[str] = ()) -> list[Contender]:
    """Return Guard and its rivals, or the rivals that `only` names. Raises UsageError for a name that is none."""
    target = {model.name: model.target or "" for model in READY}
    both, text, picture = "both", "text", "picture"
    rivals = [
        Contender(
            "OpenAI moderation",
            target["OpenAI moderation"],
            both,
            replace(asking, api_base=places.moderation_base),
            ENDPOINT,
            options={"--api-base": "--moderation-base"},
        ),
        Contender("Llama Guard 3 Vision", target["Llama Guard 3 Vision"], both, asking, LLAMA_GUARD),
        Contender("Llama Guard 4", target["Llama Guard 4"], both, asking, LLAMA_GUARD_4),
        Contender("ShieldGemma 2", target["ShieldGemma 2"], picture, asking, SHIELDGEMMA),
        Contender(
            "LLM Guard",
            "rival:llm-guard",
            text,
            replace(asking, python=places.llm_guard_python),
            RANDOM_LLM_GUARD,
            options={"--rival-python": "--llm-guard-python"},
        ),
        Contender(
            "NeMo Guardrails",
            f"rival:nemo-guardrails:{places.nemo_model}",
            both,
            replace(asking, python=places.nemo_python, api_base=places.nemo_base),
            NEMO,
            options={"--api-base": "--nemo-base", "--rival-python": "--nemo-python"},
        ),
    ]
    names = {rival.folder for rival in rivals}
    wanted = {name.lower().replace(" ", "-") for name in only}
    if unknown := wanted - names:
        raise UsageError(f"--only {min(unknown)}: not one of {', '.join(sorted(names))}")
    chosen = [rival for rival in rivals if not wanted or rival.folder in wanted]
    return [Contender("Guard", places.guard, both), *chosen]

"""P(unsafe) from what a model thought of its answer's first word, in all spellings; from samples where it does not say.

At the first place where a spelling of the answer was written, else at the very first one, the mass of the spellings of
"unsafe" is set against that of both sides. Where both together are unlikely, the model was not answering: no score.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from guard.mllm.questions import Style

MIN_MASS = 0.01  # of both sides together
_WORDS: Mapping[Style, tuple[str, str]] = {Style.YES_NO: ("yes", "no"), Style.GUARD: ("safe", "unsafe")}
_MARKS = re.compile(r"[\s▁ĠĊ*_\"'`#.,:;!()\[\]“”‘’-]+")


@dataclass(frozen=True, slots=True)
class Step:
    """One written token: what it spells, and the model's probability mass on both sides at that place."""

    side: bool | None  # True: it spells "unsafe"; None: neither
    safe: float  # in [0, 1]
    unsafe: float

    @property
    def mass(self) -> float:
        """Probability that the place holds an answer at all."""
        return self.safe + self.unsafe


def side_of(token: str, style: Style) -> bool | None:
    """Return whether a token spells "unsafe" (True) or "safe" (False); None where it spells neither.

    Case, spaces, signs of tokenizers for them, and punctuation around the word do not count. The rest of a word
    ("##no") is no answer.
    """
    if token.startswith("##"):
        return None
    word = _MARKS.sub("", token).lower()
    safe, unsafe = _WORDS[style]
    return {safe: False, unsafe: True}.get(word)


def step_of(written: str, probabilities: Mapping[str, float], style: Style) -> Step:
    """Return a step from a token and the likeliest alternatives, by token. What is not listed counts as 0."""
    mass = {False: 0.0, True: 0.0}
    for token, probability in probabilities.items():
        side = side_of(token, style)
        if side is not None:
            mass[side] += probability
    return Step(side_of(written, style), mass[False], mass[True])


def unsafe_probability(steps: Sequence[Step]) -> float | None:
    """Return P(unsafe), in [0, 1]; None where the model was not answering."""
    if not steps:
        return None
    step = next((step for step in steps if step.side is not None), steps[0])
    if not step.mass >= MIN_MASS or math.isnan(step.mass):
        return None
    return min(1.0, step.unsafe / step.mass)


def share_of_samples(verdicts: Sequence[bool | None]) -> float | None:
    """Return the share of "unsafe" among samples with a verdict; None where fewer than half have one."""
    read = [verdict for verdict in verdicts if verdict is not None]
    return sum(read) / len(read) if read and 2 * len(read) >= len(verdicts) else None

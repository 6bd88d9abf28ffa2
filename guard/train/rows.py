"""What the towers learn from: one row is a prompt, the picture beside it in words, and what is known about the two."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from guard.core.naming import UNKNOWN, beside_prompt
from guard.types import ATTACKS, SCENARIOS

HELD_OUT_SHARE = 0.1
EVERYDAY_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class TextRow:
    """A labelled text, alone or beside a picture: `text` is the prompt (segment 0); `seen` what the picture shows, in
    words, and `ocr` what is written in it (segment 1).

    `scenario` None on an unsafe row means unknown, on a safe one none. `attack_known` False hides the attack outputs
    from the loss. `everyday` rows are ordinary use: a fixed part of them chooses the shipped thresholds, but for
    `adversarial` ones, which were written around what a guard got wrong and are no sample of use.
    """

    id: str
    source: str
    group: str
    text: str
    unsafe: bool
    seen: str = ""
    ocr: str = ""
    scenario: str | None = None
    attack: str | None = None
    attack_known: bool = True
    everyday: bool = False
    adversarial: bool = False
    picture_question: bool = False
    language: str = "en"

    def __post_init__(self) -> None:
        if self.scenario is not None and (not self.unsafe or self.scenario not in SCENARIOS):
            raise ValueError(f"{self.id}: scenario {self.scenario!r} on a row with unsafe={self.unsafe}")
        if self.attack is not None and self.attack not in ATTACKS:
            raise ValueError(f"{self.id}: unknown attack {self.attack!r}")

    @property
    def second(self) -> str:
        """The second segment, "" where there is no picture."""
        return beside_prompt(self.seen or UNKNOWN, self.ocr) if self.seen or self.ocr else ""


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """What the heads should say, float32: `unsafe` (n,), `scenarios` (n, 14), `attacks` (n, 5), NaN where unknown."""

    unsafe: NDArray[np.float32]
    scenarios: NDArray[np.float32]
    attacks: NDArray[np.float32]

    def take(self, index: NDArray[np.int64]) -> "Targets":
        """Return the targets of some rows."""
        return Targets(self.unsafe[index], self.scenarios[index], self.attacks[index])

    def stacked(self) -> NDArray[np.float32]:
        """Return all targets side by side, shape (n, 20): unsafe, scenarios, attacks."""
        return np.concatenate([self.unsafe[:, None], self.scenarios, self.attacks], axis=1)


def targets(rows: Sequence[TextRow]) -> Targets:
    """Return the targets of `rows`. The scenarios that an unsafe row is not filed under stay unknown: several may fit,
    but where one is named the others count as absent."""
    unsafe = np.array([row.unsafe for row in rows], np.float32)
    scenarios = np.zeros((len(rows), len(SCENARIOS)), np.float32)
    attacks = np.zeros((len(rows), len(ATTACKS)), np.float32)
    for index, row in enumerate(rows):
        if row.scenario is not None:
            scenarios[index, SCENARIOS.index(row.scenario)] = 1
        elif row.unsafe:
            scenarios[index] = np.nan
        if row.attack is not None:
            attacks[index, ATTACKS.index(row.attack)] = 1
        elif not row.attack_known:
            attacks[index] = np.nan
    return Targets(unsafe, scenarios, attacks)


def share(key: str, group: str) -> float:
    """Return a number in [0, 1) that depends on nothing but key and group: the side of every split."""
    return int.from_bytes(hashlib.sha256(f"{key}:{group}".encode()).digest()[:6], "big") / 2**48


def is_held_out(row: TextRow) -> bool:
    """True for the groups that are never trained on: a fifth of everyday use and of other languages, else a tenth."""
    if row.everyday:
        return share("guard-everyday-1", row.group) < EVERYDAY_SHARE
    return share("guard-held-out-1", row.group) < (HELD_OUT_SHARE if row.language == "en" else 2 * HELD_OUT_SHARE)


def capped(rows: Iterable[TextRow], limit: int, *, key: str) -> list[TextRow]:
    """Return at most `limit` of the rows, the same ones each time, in their order."""
    listed = list(rows)
    chosen = sorted(range(len(listed)), key=lambda index: share(key, listed[index].id))[:limit]
    return [listed[index] for index in sorted(chosen)]


def drawn_share(rows: Sequence[TextRow], part: float, *, seed: int) -> list[TextRow]:
    """Return a part of the rows in (0, 1], drawn by seed, in their order; at least one row of some."""
    drawn = np.random.default_rng([seed, 5]).permutation(len(rows))[: max(1, round(part * len(rows)))]
    return [rows[index] for index in np.sort(drawn)]

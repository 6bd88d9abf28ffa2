"""Scored pairs, made by hand: groups whose scores are known."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from guard.calibration import Scored
from guard.suites import Label, LabelledPair, Suite, digest_pairs


def _pair(number: int, row: int, *, unsafe: bool) -> LabelledPair:
    return LabelledPair(
        id=f"{number}-{row}",
        text="hello",
        pictures=(),
        label=Label.UNSAFE if unsafe else Label.SAFE,
        group=f"group {number}",
        split=("typical", "attack")[row % 2] if unsafe else "over_safety",
        scenario=("crime", "violence")[number % 2] if unsafe else "definitions",
        attack="role_playing" if unsafe and row % 2 else None,
    )


def make_suite(pairs: Sequence[LabelledPair], *, missing: tuple[str, ...] = ()) -> Suite:
    return Suite("made", Path("made"), "jsonl", digest_pairs(pairs), tuple(pairs), missing)


def scored_groups(n_harmless: int, n_unsafe: int, *, shift: float = 3.0, rows: int = 2, seed: int = 1) -> Scored:
    """Return groups of `rows` pairs of one label; unsafe scores lie `shift` higher. Scores are float32 values."""
    random = np.random.default_rng(seed)
    numbered = product(range(n_harmless + n_unsafe), range(rows))
    pairs = [_pair(number, row, unsafe=number >= n_harmless) for number, row in numbered]
    means: NDArray[np.float64] = np.array([shift * pair.is_unsafe for pair in pairs])
    scores = (means + random.normal(size=len(pairs))).astype(np.float32).astype(np.float64)
    return Scored(make_suite(pairs), tuple(pairs), scores, {})

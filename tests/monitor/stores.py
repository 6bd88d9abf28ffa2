"""Stores with decisions in them, for tests of what is measured from them."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import numpy as np

from guard.store.opening import open_store
from guard.store.store import Store
from guard.store.values import Label, LabelKind, Source, StoredDecision
from guard.types import Action, Basis, Direction, Mode, Verdict

NOW = 1_800_000_000.0
BUNDLE = "b" * 64
_numbers = count()


@contextmanager
def a_store(folder: Path) -> Iterator[Store]:
    store = open_store(f"sqlite:///{folder / 'guard.db'}")
    try:
        yield store
    finally:
        store.close()


def decision(
    *,
    at: float = NOW - 60,
    intended: Action = Action.ALLOW,
    zone: str = "far",
    chance: float = 0.0,
    probability: float = 0.1,
    policy: str = "balanced",
    direction: Direction = Direction.INPUT,
    bundle: str = BUNDLE,
) -> StoredDecision:
    """Return a decision; one that may be drawn was drawn."""
    return StoredDecision(
        id=f"d{next(_numbers):08d}",
        at=at,
        direction=direction,
        route="/v1/chat/completions",
        tenant="default",
        policy=policy,
        mode=Mode.ENFORCE,
        verdict=Verdict.UNSAFE if intended is Action.BLOCK else Verdict.SAFE,
        intended=intended,
        action=intended,
        basis=Basis.SCORE,
        bundle=bundle,
        probability=probability,
        threshold=0.5,
        sampling_probability=chance,
        is_sampled=chance > 0,
        stratum=f"{direction.value}/{intended.value}/{zone}",
        plan="p",
    )


def label(store: Store, id_: str, kind: LabelKind, *, author: str = "ann", source: Source = Source.REVIEWER) -> None:
    store.label(Label(id_, kind, author, source, NOW - 10))


def reviewed_day(store: Store, *, answered: float = 1.0) -> None:
    """Keep 1,000 decisions of the last day: 40 blocked, of which 10 wrongly; 60 of those let through reviewed, safe."""
    made, labels = [], []
    for number in range(40):
        made.append(decision(at=NOW - 7200 - number, intended=Action.BLOCK, chance=0.5, probability=0.9))
        made.append(decision(at=NOW - 7200 - number, intended=Action.BLOCK, probability=0.9))
        labels.append((made[-2].id, LabelKind.SAFE if number < 10 else LabelKind.UNSAFE))
    for number in range(920):
        is_drawn = number < 60
        made.append(decision(at=NOW - 5000 - number, chance=0.065 if is_drawn else 0.0, zone="far"))
        if is_drawn:
            labels.append((made[-1].id, LabelKind.SAFE))
    store.add(made)
    kept = int(answered * len(labels))
    for id_, kind in np.random.default_rng(0).permutation(np.array(labels, dtype=object))[:kept]:
        label(store, id_, kind)

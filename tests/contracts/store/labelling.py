"""Labels, and the key of kept content, for the contracts of the store."""

from dataclasses import replace

from guard.store.box import Box
from guard.store.store import Store
from guard.store.values import (
    Label,
    LabelKind,
    Source,
    StoredDecision,
    Window,
)
from tests.store.decisions import START

BOX = Box(b"k" * 32)
ALWAYS = Window(0.0)


def labelled(
    decision: StoredDecision, kind: LabelKind, author: str = "ann", at: float = START, **said: object
) -> Label:
    """Return a label of a decision by a reviewer."""
    return replace(Label(decision.id, kind, author, Source.REVIEWER, at), **said)  # type: ignore[arg-type]


def review(store: Store, decision: StoredDecision) -> LabelKind | None:
    """Return what counts as the label of a decision."""
    return next(sample.label for sample in store.reviewed(ALWAYS) if sample.id == decision.id)

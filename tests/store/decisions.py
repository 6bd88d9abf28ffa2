"""Decisions to keep, with as little said as a test needs."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

from guard.store.values import StoredDecision
from guard.types import Action, Basis, Direction, Mode, Verdict
from tests.fakes import scores

START = 1_700_000_000.0


def stored(**said: Any) -> StoredDecision:
    """Return a decision that was blocked by its score and drawn for review."""
    made = StoredDecision(
        id=uuid4().hex,
        at=START,
        direction=Direction.INPUT,
        route="/v1/chat/completions",
        tenant="default",
        policy="balanced",
        mode=Mode.ENFORCE,
        verdict=Verdict.UNSAFE,
        intended=Action.BLOCK,
        action=Action.BLOCK,
        basis=Basis.SCORE,
        bundle="ab" * 32,
        scores=scores(4.0, text_alone=3.5),
        probability=0.98,
        threshold=0.7,
        content_digest="cd" * 32,
        sampling_probability=0.5,
        is_sampled=True,
        stratum="input/block/far",
        plan="0" * 16,
    )
    return replace(made, **said)


def allowed(**said: Any) -> StoredDecision:
    """Return a decision that let its content pass and was not drawn."""
    passed = {
        "verdict": Verdict.SAFE,
        "intended": Action.ALLOW,
        "action": Action.ALLOW,
        "probability": 0.02,
        "sampling_probability": 0.002,
        "is_sampled": False,
        "stratum": "input/allow/far",
    }
    return stored(**{**passed, **said})

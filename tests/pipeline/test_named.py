"""A decision under an id is the decision that was made, whatever it holds."""

from dataclasses import fields, replace

from guard.types import Action, Basis, Cause, Decision, Direction, Hit, ImageResult, RuleKind, Verdict
from tests.fakes import scores

_FULL = Decision(
    id="",
    verdict=Verdict.UNSAFE,
    intended=Action.BLOCK,
    action=Action.FLAG,
    basis=Basis.SCORE,
    policy="p",
    bundle="b",
    direction=Direction.OUTPUT,
    probability=0.9,
    threshold=0.5,
    categories={"violence": 0.8},
    attacks={"injection": 0.1},
    cause=Cause.TEXT,
    images=(ImageResult(judged=True),),
    latency_ms={"score": 1.0},
    cached=True,
    code="image_rejected",
    rule=Hit(RuleKind.CATEGORY, "violence", 0.8, 0.7, Action.BLOCK),
    scores=scores(2.0),
    digest=b"d",
    also_blocked=(b"e",),
    decisive=3,
)


def test_decision_under_an_id_differs_in_id_and_latencies_alone() -> None:
    empty = Decision("", Verdict.SAFE, Action.ALLOW, Action.ALLOW, Basis.ALLOW_LIST, "", "")
    assert all(
        getattr(_FULL, one.name) != getattr(empty, one.name)
        for one in fields(Decision)
        if one.name not in ("id", "code")
    )

    named = _FULL.under("a", {"decide": 2.0})

    assert named == replace(_FULL, id="a", latency_ms={"decide": 2.0})

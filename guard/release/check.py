"""One thing that a gate looked at: what was found, how much was allowed, the verdict, and the reason in a sentence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from guard.records import Outcome
from guard.stats.bootstrap import Estimate
from guard.stats.paired import Verdict

Kind: TypeAlias = Literal["false_refusals", "recall", "coverage", "controls", "parity", "robustness", "cost"]
Unit: TypeAlias = Literal["share", "auc", "ratio", "count"]
Bounds: TypeAlias = Literal["one-sided 95 %", "range"]
Scalar: TypeAlias = str | int | float | bool | None

UNDEFINED = Estimate(None, None, None)


@dataclass(frozen=True, slots=True)
class Check:
    """A figure of the candidate, most often beside the baseline's.

    `difference` is what the margin is held against: candidate less baseline with one-sided 95 % bounds, or with the
    range of a few runs, or a figure that stands for itself. `verdict` is None where the figure is shown and held
    against nobody.
    """

    kind: Kind
    place: str  # suite, suite/split, control, provider, ...
    verdict: Verdict | None
    reason: str
    unit: Unit = "share"
    candidate: float | None = None
    baseline: float | None = None
    difference: Estimate = UNDEFINED
    margin: float | None = None
    figures: Mapping[str, Scalar] = field(default_factory=dict)
    bounds: Bounds = "one-sided 95 %"  # what `difference` lies between


def outcome(checks: Sequence[Check]) -> Outcome:
    """Return what checks say together: passed only where each one that counts holds, and at least one counts."""
    verdicts = [check.verdict for check in checks if check.verdict is not None]
    if "fails" in verdicts:
        return "failed"
    return "passed" if verdicts and "cannot_tell" not in verdicts else "cannot_tell"

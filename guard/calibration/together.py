"""One threshold for several limits: of false refusals, of misses, and of false refusals in each category of pairs."""

from collections.abc import Sequence

from guard.calibration.declaration import Declaration
from guard.errors import CalibrationInvalid
from guard.stats.joint import CertifiedJointly, JointAnswer, Kept, certify_jointly, order_of_testing
from guard.stats.trials import Floats, Requirement, Trials
from guard.suites import LabelledPair

JOINT = "joint"


def require_together(pairs: Sequence[LabelledPair], declaration: Declaration) -> list[Requirement]:
    """Return the limits that one threshold has to keep; none where none were declared.

    Raises:
        CalibrationInvalid: a limit for each category, and no harmless pair has one.
    """
    if not declaration.is_joint:
        return []
    limits = [Requirement("false_refusal", limit) for limit in declaration.limits]
    if declaration.miss_limit is not None:
        limits.append(Requirement("miss", declaration.miss_limit))
    if declaration.category_limit is not None:
        categories = sorted({pair.scenario for pair in pairs if pair.scenario and not pair.is_unsafe})
        if not categories:
            raise CalibrationInvalid("--max-false-refusal-per-category: no harmless pair has a category")
        limits += [Requirement("false_refusal", declaration.category_limit, each) for each in categories]
    return limits


def certify_together(
    first: Trials, second: Trials, grid: Floats, requirements: Sequence[Requirement], declaration: Declaration
) -> JointAnswer | None:
    """Return whether one threshold keeps all limits; None where none were declared.

    Args:
        first: half A, which decides the order in which thresholds are tried.
        second: half B, which the answer rests on.
        grid: candidate thresholds, descending.
        requirements: from `require_together`.
        declaration: whose answers share the error.
    """
    if not requirements:
        return None
    order = order_of_testing(first, grid, requirements, unit=declaration.unit)
    return certify_jointly(
        second,
        order,
        requirements,
        confidence=declaration.confidence,
        unit=declaration.unit,
        n_declared=declaration.n_answers,
    )


def joint_verdict(joint: JointAnswer) -> str:
    """Return the answer's name, as for single limits."""
    if not isinstance(joint, CertifiedJointly):
        return "not certifiable"
    return "certified but useless" if joint.is_useless else "certified"


def explain_jointly(joint: JointAnswer) -> str:
    """Return what the answer says about each limit."""
    parts = "; ".join(_part(part) for part in joint.parts if isinstance(part, Kept))
    if isinstance(joint, CertifiedJointly):
        useless = " But a coin may do as well." if joint.is_useless else ""
        return (
            f"At threshold {joint.threshold:.4g} all {len(joint.parts)} limits hold together with "
            f"{100 * joint.confidence:g}\N{NO-BREAK SPACE}% confidence: {parts}. So they do at each threshold from "
            f"{joint.lowest:.4g} to {joint.highest:.4g}.{useless}"
        )
    broken = "; ".join(
        f"{_subject(part.rate, part.category)} {_percent(part.limit)} is not: {part.errors} of {part.n_groups} "
        f"observed, {_percent(part.smallest_limit)} is the least that so many could prove"
        for part in joint.parts
        if not isinstance(part, Kept)
    )
    proven = f" Proven there: {parts}." if parts else ""
    return (
        f"No threshold is proven to keep all {len(joint.parts)} limits. At {joint.threshold:.4g}, which promised most "
        f"on half A, {broken}.{proven}"
    )


def _part(part: Kept) -> str:
    required = part.requirement
    return (
        f"{_subject(required.rate, required.category)} {_percent(required.limit)} ({part.errors} of {part.n_groups} "
        f"observed, bound {_percent(part.upper)})"
    )


def _subject(rate: str, category: str | None) -> str:
    what = "false refusals at most" if rate == "false_refusal" else "misses at most"
    return what if category is None else f"{what.removesuffix(' at most')} of {category.replace('_', ' ')} at most"


def _percent(share: float) -> str:
    return f"{100 * share:.3g}\N{NO-BREAK SPACE}%"

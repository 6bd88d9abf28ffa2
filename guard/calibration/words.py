"""What the answers mean, in sentences that need no statistics."""

from guard.calibration.analysis import Analysis, point_name
from guard.calibration.looks import Looks
from guard.stats.bootstrap import Estimate
from guard.stats.certify import Answer, Certified, CertifiedButUseless, NotCertifiable
from guard.stats.fit import RanksBackwards

DEFAULT_POINT = "balanced"

_UNITS = {
    "group": "harmless groups have a refused pair",
    "request": "harmless requests are refused",
    "mean": "harmless requests are refused",
}


def percent(share: float | None, digits: int = 1) -> str:
    """Return a share as a percentage that does not break over two lines: 0.053 -> "5.3 %", None -> "–"."""
    return "–" if share is None else f"{100 * share:.{digits}f}\N{NO-BREAK SPACE}%"


def _short(share: float) -> str:
    return f"{100 * share:g}\N{NO-BREAK SPACE}%"


def interval(estimate: Estimate) -> str:
    """Return a share with its interval: "34.1 % (26.0–42.3)"."""
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return "–"
    return f"{percent(estimate.value)} ({100 * estimate.low:.1f}–{100 * estimate.high:.1f})"


def verdict(answer: Answer) -> str:
    """Return the answer's name: certified, certified but useless, not certifiable."""
    match answer:
        case NotCertifiable():
            return "not certifiable"
        case CertifiedButUseless():
            return "certified but useless"
        case Certified():
            return "certified"


def heading(answer: Answer, analysis: Analysis) -> str:
    """Return the declared limit and what became of it: "At most 5 %: certified"."""
    left_out = ", but left out of the bundle" if point_name(answer.limit) in analysis.withheld else ""
    return f"At most {100 * answer.limit:g} %: {verdict(answer)}{left_out}"


def explain(answer: Answer) -> str:
    """Return what the answer says, in one or two sentences."""
    limit, units = _short(answer.limit), _UNITS[answer.unit]
    if isinstance(answer, NotCertifiable):
        return _explain_none(answer, limit)
    if answer.n_traffic:
        found = (
            f"estimate {percent(answer.observed, 2)}, bound {percent(answer.upper, 2)}; half B has {answer.n_groups} "
            f"harmless reviews, {answer.errors} of them refused, for {answer.n_traffic:,} decisions"
        )
    else:
        found = f"{answer.errors} of {answer.n_groups} observed, bound {percent(answer.upper)}"
    proven = (
        f"At threshold {answer.threshold:.4g} at most {limit} of {units}, with {_short(answer.confidence)} confidence "
        f"({found})."
    )
    caught = f"at least {percent(answer.recall_low)} of unsafe requests (a bound of the same confidence)"
    if isinstance(answer, CertifiedButUseless):
        more = " More reviews of what was let through would tell." if answer.n_traffic else ""
        return f"{proven} But what it surely catches, {caught}, does not exceed the limit: a coin may do as well.{more}"
    return f"{proven} It catches {caught}."


def _explain_none(answer: NotCertifiable, limit: str) -> str:
    shared = f" ({answer.n_limits} declared limits share the error.)" if answer.n_limits > 1 else ""
    if answer.n_traffic:
        more = (
            f"about {2 * answer.groups_missing:,} more reviews, drawn alike, would do if they found the same"
            if answer.groups_missing
            else "more reviews that find the same would not"
        )
        return (
            f"These reviews cannot prove {limit} of {answer.n_traffic:,} decisions at any threshold; the smallest "
            f"limit that so many could is {percent(answer.smallest_limit)}, and {more}.{shared}"
        )
    if answer.errors:
        units = {
            "group": f"{answer.errors} of {answer.n_groups} harmless groups have a refused pair",
            "request": f"{answer.errors} of {answer.n_groups} harmless requests, one of each group, are refused",
            "mean": f"{answer.errors} of {answer.n_groups} harmless groups have a refused pair",
        }[answer.unit]
        return (
            f"Even at the strictest threshold {units}, which cannot prove {limit}: {answer.groups_missing:,} more "
            f"groups would, if none of them had a refusal.{shared}"
        )
    return (
        f"{answer.n_groups} harmless groups cannot prove {limit}, whatever the guard does: the smallest limit they can "
        f"prove is {percent(answer.smallest_limit)}. {answer.groups_missing:,} more groups without a refusal would do."
        f"{shared}"
    )


def in_short(analysis: Analysis) -> list[str]:
    """Return the outcome for a reader of three sentences: what is proven, and what it means for a thousand requests."""
    proven = [
        answer
        for answer in analysis.answers
        if isinstance(answer, Certified)
        and not isinstance(answer, CertifiedButUseless)
        and point_name(answer.limit) in analysis.certified
    ]
    total = len(analysis.answers)
    limits = "the declared limit" if total == 1 else f"{len(proven)} of {total} declared limits"
    if not proven:
        use = "may be served" if analysis.withheld else "is of use"
        found = [f"No declared limit is proven at a threshold that {use}: do not enforce this guard on such pairs."]
    else:
        found = [f"{limits[0].upper()}{limits[1:]} {'is' if len(proven) == 1 else 'are'} proven and of use."]
    if analysis.withheld:
        found.append(
            f"{' and '.join(analysis.withheld)}: proven, and left out of the bundle, because the adaptation costs too "
            "much elsewhere there."
        )
    if proven:
        name = point_name(max(proven, key=lambda answer: answer.limit).limit)
        figures = analysis.certified[name]
    else:
        name = DEFAULT_POINT if DEFAULT_POINT in analysis.shipped else next(iter(analysis.shipped))
        figures = analysis.shipped[name]
    found.append(
        f"At {name}, of 1,000 harmless requests like these about {per_thousand(figures.false_refusal_rate)} would be "
        f"refused, and of 1,000 unsafe ones about {per_thousand(figures.recall)} caught."
    )
    for refusals in figures.refusals[-1:]:
        found.append(
            f"In traffic with {_short(refusals.prevalence)} unsafe requests that makes {refusals.right:.1f} right and "
            f"{refusals.wrong:.1f} wrong refusals in 1,000."
        )
    return found


def per_thousand(estimate: Estimate) -> str:
    """Return a share as a count in 1,000 with its interval: "23 (4 to 54)"."""
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return "an unknown number"
    return f"{1000 * estimate.value:.0f} ({1000 * estimate.low:.0f} to {1000 * estimate.high:.0f})"


def whose_certificate(analysis: Analysis) -> str:
    """Return for whom the certificates speak."""
    if analysis.scored.suite.traffic is not None:
        traffic = analysis.scored.suite.traffic
        return (
            f"Certificates speak about the {traffic.n:,} decisions of {analysis.scored.suite.name}, as they were made "
            "and as far as labels are right: what was drawn and has no label counts in the worst way. Of other traffic "
            "they say as much as it is like this one."
        )
    return (
        f"Certificates speak about {analysis.scored.suite.name}: about pairs drawn as its groups were drawn. They say "
        "nothing about production traffic, which holds other pictures, other prompts and other people; there, a "
        "reviewed sample of the traffic speaks. And they count single pairs: a conversation is refused when any of its "
        "parts is, so more often."
    )


def warnings(analysis: Analysis, looks: Looks) -> list[str]:
    """Return what a reader must know before trusting the figures; empty when there is nothing."""
    found = []
    scored = analysis.scored
    if isinstance(analysis.fit, RanksBackwards):
        found.append(
            "The guard ranks the wrong way round on half A: its scores fall where danger rises (slope "
            f"{analysis.fit.slope:.2f} per standard deviation). No calibration was fitted, and none was turned over; "
            "probabilities are those of the old bundle."
        )
    if analysis.auc.high is not None and analysis.auc.high < 0.5:
        found.append("On half B the guard orders pairs worse than chance.")
    if not looks.is_counted:
        found.append(
            "Looks at this data are not counted here: nothing could be kept of them. The stated confidence is that of "
            "data which no calibration, cross-fitted evaluation or release gate has read before."
        )
    elif len(looks.distinct) > 1:
        found.append(
            f"This data was looked at {looks.count} times, by calibrations, cross-fitted evaluations and release "
            f"gates, with {len(looks.distinct)} different declarations"
            f"{_in_other_files(looks)}. Taken together, their certificates hold with "
            f"{percent(looks.joint_confidence, 0)} confidence only."
        )
    if scored.suite.missing_pictures:
        found.append(
            f"{len(scored.suite.missing_pictures)} pairs are left out because their picture is missing; none was "
            "scored as text alone."
        )
    if scored.unjudged:
        found.append(
            f"{len(scored.unjudged)} pairs could not be judged. The figures leave them out; the certificates count the "
            "harmless ones as refused at every threshold and the unsafe ones as missed."
        )
    if scored.n_other_scores:
        found.append(
            f"{scored.n_other_scores} pairs score otherwise than when they were drawn, so traffic.json is about "
            "another model, and is not used."
        )
    if scored.n_thinned:
        alike = "" if scored.suite.traffic is None else " within their part of the traffic"
        found.append(
            f"{scored.n_thinned} pairs are left out so that all others were sampled with equal probability{alike}."
        )
    if scored.suite.traffic is not None:
        missing = len(scored.suite.traffic.drawn.keys() - {pair.id for pair in scored.suite.pairs})
        if missing:
            found.append(f"{missing} of {len(scored.suite.traffic.drawn)} drawn decisions have no label here.")
    return found


def _in_other_files(looks: Looks) -> str:
    n = len(looks.of_other_files)
    return f" ({n} of them of other files with some of the same rows)" if n else ""

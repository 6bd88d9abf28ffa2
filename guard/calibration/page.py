"""`report.html`: one file that stands alone, for the manager first and the statistician below."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from guard.bundle import Bundle
from guard.calibration.adaptation import Adaptation
from guard.calibration.analysis import Analysis, Half, point_name
from guard.calibration.charts import Mark, histogram_chart, reliability_chart, tradeoff_chart
from guard.calibration.figures import Figures
from guard.calibration.looks import Looks
from guard.calibration.nearest import nearest
from guard.calibration.sections import adaptation_section, near_section, slices_section, table
from guard.calibration.shown import escape
from guard.calibration.together import JOINT, explain_jointly, joint_verdict
from guard.calibration.words import (
    DEFAULT_POINT,
    explain,
    heading,
    in_short,
    interval,
    percent,
    verdict,
    warnings,
    whose_certificate,
)
from guard.stats.certify import Certified, CertifiedButUseless
from guard.stats.fit import Fitted

_HATCH = (
    '<svg width="0" height="0" style="position:absolute" aria-hidden="true"><defs><pattern id="hatch" width="7"'
    ' height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><path d="M0 0V7"/></pattern></defs></svg>'
)


@dataclass(frozen=True, slots=True)
class _Point:
    """An operating point as the page shows it."""

    name: str
    kind: str
    figures: Figures
    is_certified: bool = False


def render_page(
    analysis: Analysis,
    looks: Looks,
    *,
    before: Bundle,
    after: Bundle | None,
    adaptation: Adaptation | None = None,
    with_pictures: bool = True,
) -> str:
    """Return the report as HTML; arguments as for `report_document`, and whether thumbnails of pictures are shown."""
    points = _points(analysis)
    shown = _shown(points)
    suite = analysis.scored.suite
    style = (files("guard.calibration") / "report.css").read_text(encoding="utf-8")
    title = f"{before.label} on {suite.name}"
    body = [
        f"<h1>How many harmless users may {escape(before.label)} refuse?</h1>",
        f'<p class="muted">Calibrated on {escape(suite.name)}: {len(analysis.scored.pairs):,} pairs in '
        f"{len(set(analysis.scored.groups)):,} groups. Confidence {100 * analysis.declaration.confidence:g} % for all "
        f"answers together.</p>",
        _short(in_short(analysis)),
        _answers(analysis),
        f'<div class="note"><p>{escape(whose_certificate(analysis))} What a certificate says, and what it does '
        "not, is told in <code>guard/calibration/README.md</code>.</p></div>",
        _warnings(warnings(analysis, looks)),
        _charts(analysis, points),
        _points_table(points),
        "" if adaptation is None else adaptation_section(adaptation),
        slices_section(shown.figures, shown.name, shown.kind),
        near_section(nearest(analysis, shown.figures.threshold, with_pictures=with_pictures), shown.name),
        _data_section(analysis, looks, before, after),
    ]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{style}</style></head><body>{_HATCH}{''.join(body)}</body></html>\n"
    )


def _points(analysis: Analysis) -> list[_Point]:
    answers = {point_name(answer.limit): verdict(answer) for answer in analysis.answers}
    points = [_Point(name, answers[name], figures, True) for name, figures in analysis.certified.items()]
    if analysis.joint is not None and analysis.joint_figures is not None:
        points.append(_Point(JOINT, joint_verdict(analysis.joint), analysis.joint_figures, True))
    if analysis.cheapest is not None:
        points.append(_Point("cheapest", "estimate", analysis.cheapest))
    shipped = [item for item in analysis.shipped.items() if item[0] not in analysis.certified]
    return points + [_Point(name, "shipped", figures) for name, figures in shipped]


def _shown(points: Sequence[_Point]) -> _Point:
    """Return the point whose slices are shown: one that is certified and of use, or else the default one."""
    return min(points, key=lambda p: (p.kind != "certified", p.name != DEFAULT_POINT))


def _short(sentences: Sequence[str]) -> str:
    return "".join(f'<p class="short">{escape(sentence)}</p>' for sentence in sentences)


def _answers(analysis: Analysis) -> str:
    cards = []
    for answer in analysis.answers:
        is_useful = isinstance(answer, Certified) and not isinstance(answer, CertifiedButUseless)
        is_served = point_name(answer.limit) in analysis.certified
        kind = "yes" if is_useful and is_served else "maybe" if isinstance(answer, Certified) else "no"
        title, text = escape(heading(answer, analysis)), escape(explain(answer))
        cards.append(f'<section class="answer {kind}"><h3>{title}</h3><p>{text}</p></section>')
    if analysis.joint is not None:
        kind = {"certified": "yes", "not certifiable": "no"}.get(joint_verdict(analysis.joint), "maybe")
        title = f"All limits at one threshold: {escape(joint_verdict(analysis.joint))}"
        text = escape(explain_jointly(analysis.joint))
        cards.append(f'<section class="answer {kind}"><h3>{title}</h3><p>{text}</p></section>')
    return f'<div class="answers">{"".join(cards)}</div>'


def _warnings(sentences: Sequence[str]) -> str:
    if not sentences:
        return ""
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f'<h2>Before you trust these figures</h2><div class="note"><ul>{items}</ul></div>'


def _charts(analysis: Analysis, points: Sequence[_Point]) -> str:
    by_group = analysis.declaration.unit == "group"
    marks = [_mark(point, by_group=by_group) for point in points]
    certified = [answer.estimate for answer in analysis.answers if isinstance(answer, Certified)]
    curve = tradeoff_chart(
        analysis.curve.false_refusals,
        analysis.curve.recall,
        marks=marks,
        limits=analysis.declaration.limits,
        certified_to=max(certified, default=None),
    )
    unsafe = analysis.scored.unsafe
    lines = [(point.name, point.figures.threshold) for point in points]
    second = analysis.scored.second
    histogram = histogram_chart(
        analysis.probabilities[~unsafe & second],
        analysis.probabilities[unsafe & second],
        outlines=(analysis.probabilities[~unsafe & ~second], analysis.probabilities[unsafe & ~second]),
        thresholds=lines,
    )
    unit = {
        "group": "groups of harmless pairs with a refusal",
        "request": "harmless requests, one of each group",
        "mean": "harmless requests, each group counting as much as any other",
    }[analysis.declaration.unit]
    return (
        '<h2>The trade-off, and how scores lie</h2><div class="charts">'
        f"<figure>{curve}<figcaption>Half B: unsafe pairs caught against {unit}. Hatched: certified. Diamonds are "
        "certified, circles are not. Dotted: as much caught as refused.</figcaption></figure>"
        f"<figure>{histogram}<figcaption>Bars: half B; the thin outline is half A. Dashed lines are thresholds. "
        "A guard that tells them apart has unsafe pairs on the right, harmless ones on the left.</figcaption></figure>"
        f"<figure>{reliability_chart(analysis.reliability)}<figcaption>Half B in bins of equal size, at the data's own "
        f"share of unsafe pairs: where probabilities are honest, circles lie on the dotted line. Mean gap "
        f"(expected calibration error) {interval(analysis.reliability.error)}.</figcaption></figure></div>"
    )


def _mark(point: _Point, *, by_group: bool) -> Mark:
    figures = point.figures
    refused = figures.group_false_refusal_rate if by_group else figures.false_refusal_rate
    return Mark(point.name, refused.value or 0.0, figures.recall.value or 0.0, point.is_certified)


def _points_table(points: Sequence[_Point]) -> str:
    rows = [
        (
            f"<td>{escape(point.name)}</td><td>{escape(point.kind)}</td>"
            f'<td class="number">{point.figures.threshold:.4g}</td>'
            f'<td class="number">{interval(point.figures.recall)}</td>'
            f'<td class="number">{interval(point.figures.false_refusal_rate)}</td>'
            f'<td class="number">{interval(point.figures.group_false_refusal_rate)}</td>'
        )
        for point in points
    ]
    head = (
        '<th>point</th><th></th><th class="number">threshold</th><th class="number">unsafe caught</th>'
        '<th class="number">harmless refused</th><th class="number">groups with a refusal</th>'
    )
    return (
        '<h2>Operating points</h2><p class="muted">Measured on half B, with 95 % intervals over groups. What is not '
        "certified is an estimate.</p>"
        f"{table(head, rows)}{_refusals(points)}"
    )


def _refusals(points: Sequence[_Point]) -> str:
    shares = [refusals.prevalence for refusals in points[0].figures.refusals]
    head = "<th>point</th>" + "".join(f'<th class="number">{100 * share:g} % unsafe</th>' for share in shares)
    rows = [
        f"<td>{escape(point.name)}</td>"
        + "".join(f'<td class="number">{r.right:.1f} + {r.wrong:.1f}</td>' for r in point.figures.refusals)
        for point in points
    ]
    return (
        "<h2>Refusals to expect in 1,000 requests</h2>"
        '<p class="muted">Rightly + wrongly refused, if traffic were like half B but with so many unsafe requests.</p>'
        f"{table(head, rows)}"
    )


def _data_section(analysis: Analysis, looks: Looks, before: Bundle, after: Bundle | None) -> str:
    suite, fit, calibration = analysis.scored.suite, analysis.fit, analysis.calibration
    base = "of unknown prevalence" if calibration.prevalence is None else f"at {percent(calibration.prevalence)} unsafe"
    facts = {
        "half A (fitted on)": _half(analysis.half_a),
        "half B (certified on)": _half(analysis.half_b),
        "probability": f"{calibration.kind}, {base}",
        "log loss, cross-fitted": ", ".join(f"{kind} {loss:.4f}" for kind, loss in fit.log_loss.items())
        if isinstance(fit, Fitted)
        else "not fitted: the guard ranks backwards",
        "AUC on half B": _areas(analysis),
        "looks at this data": f"{looks.count}, {len(looks.distinct)} different" if looks.is_counted else "unknown",
        "data": suite.digest,
        "bundle": before.digest,
        "new bundle": "none written" if after is None else after.digest,
    }
    rows = [f"<td>{escape(name)}</td><td><code>{escape(value)}</code></td>" for name, value in facts.items()]
    return f"<h2>How it was made</h2>{table('', rows)}"


def _half(half: Half) -> str:
    return (
        f"{half.n_groups} groups, {half.n_harmless_groups} with harmless and {half.n_unsafe_groups} with unsafe pairs"
    )


def _areas(analysis: Analysis) -> str:
    """Return the areas under the ROC curves as plain numbers with intervals."""

    def words(name: str, value: float | None, low: float | None, high: float | None) -> str:
        if value is None or low is None or high is None:
            return f"{name}: –"
        return f"{name}: {value:.3f} ({low:.3f}–{high:.3f})"

    areas = {"all pairs": analysis.auc, **analysis.auc_by_split}
    return "; ".join(words(name, area.value, area.low, area.high) for name, area in areas.items())

"""`report.json`: everything of an analysis as plain values. Rates are numbers in [0, 1], null where undefined."""

from collections import Counter
from dataclasses import asdict

from guard.bundle import Bundle
from guard.calibration.adaptation import Adaptation
from guard.calibration.analysis import Analysis, Half
from guard.calibration.figures import Figures, Slice
from guard.calibration.looks import Looks
from guard.calibration.together import explain_jointly, joint_verdict
from guard.calibration.words import explain, in_short, verdict, warnings, whose_certificate
from guard.stats.bootstrap import Estimate
from guard.stats.certify import Answer
from guard.stats.fit import Fitted

Document = dict[str, object]


def report_document(
    analysis: Analysis, looks: Looks, *, before: Bundle, after: Bundle | None, adaptation: Adaptation | None = None
) -> Document:
    """Return the report: the calibrated bundle was `before`; `after` is the one written, if any."""
    scored, declared = analysis.scored, analysis.declaration
    return {
        "suite": {
            "name": scored.suite.name,
            "format": scored.suite.kind,
            "sha256": scored.suite.digest,
            "n": len(scored.pairs),
            "n_groups": len(set(scored.groups)),
            "missing_pictures": list(scored.suite.missing_pictures),
            "unjudged": dict(Counter(scored.unjudged.values())),
            "unjudged_ids": sorted(scored.unjudged),
            "thinned": scored.n_thinned,
        },
        "bundle": {"name": before.label, "sha256": before.digest},
        "written": None if after is None else {"name": after.label, "sha256": after.digest},
        "declared": asdict(declared),
        "halves": {"a": _half(analysis.half_a), "b": _half(analysis.half_b)},
        "looks": {
            "is_counted": looks.is_counted,
            "count": looks.count,
            "declarations": len(looks.distinct),
            "of_other_files": len(looks.of_other_files),
            "joint_confidence": looks.joint_confidence,
        },
        "calibration": _calibration(analysis),
        "answers": [_answer(answer) for answer in analysis.answers],
        "joint": _joint(analysis),
        "certified": {name: _figures(figures) for name, figures in analysis.certified.items()},
        "shipped": {name: _figures(figures) for name, figures in analysis.shipped.items()},
        "cheapest": None if analysis.cheapest is None else _figures(analysis.cheapest),
        "auc": _estimate(analysis.auc),
        "auc_by_split": {name: _estimate(area) for name, area in analysis.auc_by_split.items()},
        "curve": {
            "thresholds": analysis.curve.thresholds.tolist(),
            "false_refusals": analysis.curve.false_refusals.tolist(),
            "recall": analysis.curve.recall.tolist(),
        },
        "reliability": {
            "bins": [asdict(each) for each in analysis.reliability.bins],
            "expected_calibration_error": _estimate(analysis.reliability.error),
        },
        "measured_on": "half B",
        "speaks_for": whose_certificate(analysis),
        "in_short": in_short(analysis),
        "adaptation": None if adaptation is None else adaptation.document(),
        "warnings": warnings(analysis, looks),
    }


def _half(half: Half) -> Document:
    return asdict(half)


def _calibration(analysis: Analysis) -> Document:
    fitted = isinstance(analysis.fit, Fitted)
    return {
        "outcome": "fitted" if fitted else "ranks backwards",
        "log_loss": dict(analysis.fit.log_loss) if isinstance(analysis.fit, Fitted) else None,
        **analysis.calibration.model_dump(mode="json"),
    }


def _answer(answer: Answer) -> Document:
    return {"answer": verdict(answer), "in_words": explain(answer), **asdict(answer)}


def _joint(analysis: Analysis) -> Document | None:
    if analysis.joint is None:
        return None
    figures = None if analysis.joint_figures is None else _figures(analysis.joint_figures)
    words = {"answer": joint_verdict(analysis.joint), "in_words": explain_jointly(analysis.joint)}
    return {**words, **asdict(analysis.joint), "figures": figures}


def _figures(figures: Figures) -> Document:
    return {
        "threshold": figures.threshold,
        "recall": _estimate(figures.recall),
        "false_refusal_rate": _estimate(figures.false_refusal_rate),
        "group_false_refusal_rate": _estimate(figures.group_false_refusal_rate),
        "splits": [_slice(row) for row in figures.splits],
        "scenarios": [_slice(row) for row in figures.scenarios],
        "attacks": [_slice(row) for row in figures.attacks],
        "expected_refusals": [asdict(refusals) for refusals in figures.refusals],
    }


def _slice(row: Slice) -> Document:
    return {
        "name": row.name,
        "label": row.label.value,
        "n": row.n,
        "n_groups": row.n_groups,
        "refused": _estimate(row.refused),
    }


def _estimate(estimate: Estimate) -> Document:
    return asdict(estimate)

"""Finished runs as sheets: beside the published rows, with their controls and mitigations, by scenario."""

from collections.abc import Mapping, Sequence

from benchmark.answer_sheets import answer_sheets
from benchmark.figures import Figures, Interval, Margin, SplitFigures, SuiteReport
from benchmark.mitigated import mitigation_sheets
from benchmark.named import NamedRun
from benchmark.published import PUBLISHED, SOURCE
from benchmark.scenario_sheets import scenario_sheets
from benchmark.sheets import Sheet

_MMSAFEAWARE = "mmsafeaware"
_SPLITS = ("typical", "attack", "over_safety")
_NAMED = 12


def make_sheets(runs: Sequence[NamedRun]) -> list[Sheet]:
    """Return the sheets for runs of one or several suites, suite by suite in order of appearance.

    Runs of several suites are first summed up in one sheet.
    """
    suites = list(dict.fromkeys(run.report.suite for run in runs))
    sheets = [_overview(runs)] if len(suites) > 1 else []
    for suite in suites:
        chosen = [run for run in runs if run.report.suite == suite]
        if suite == _MMSAFEAWARE:
            sheets.append(_beside_published(chosen))
            sheets += mitigation_sheets(chosen)
        sheets += answer_sheets(suite, chosen)
        sheets.append(_as_detector(suite, chosen))
        sheets += scenario_sheets(suite, chosen)
    return sheets


def _beside_published(runs: Sequence[NamedRun]) -> Sheet:
    rows = [
        (row.name, *(f"{value:.1f}" for value in (row.typical, row.attack, row.over_safety, row.total)), "")
        for row in PUBLISHED
    ]
    for run in runs:
        report = run.report
        rows.append(_split_row(run.name, report))
        rows.append(
            (
                "  95 % interval",
                *(_part_interval(report.splits.get(name)) for name in _SPLITS),
                _interval(report.intervals.get("total")),
                _interval(report.intervals.get("auc_typical"), scale=1, digits=2),
            )
        )
        if report.answers is not None and any("prose" in kinds for kinds in report.answers.kinds.values()):
            rows.append(_split_row("  lenient reading", report.answers.lenient))
        rows += [_split_row(f"  {name}", figures) for name, figures in report.controls.items()]
    return Sheet(
        "MMSafeAware: accuracy, %",
        ("", "typical", "attack", "over-safety", "total", "AUC"),
        tuple(rows),
        (
            f"Published rows: {SOURCE}.",
            "Indented rows are controls: the same target with a part of the content taken away.",
            "AUC: typical against over-safety.",
            *(_margin(run.name, run.report.picture_margin) for run in runs if run.report.picture_margin is not None),
            *_notes(runs),
        ),
    )


def _split_row(name: str, figures: Figures) -> tuple[str, ...]:
    parts = [figures.splits.get(split) for split in _SPLITS]
    accuracies = [_percent(part.accuracy if part else None) for part in parts]
    return (name, *accuracies, _percent(figures.total), _number(figures.auc_typical))


def _overview(runs: Sequence[NamedRun]) -> Sheet:
    rows = [
        (
            run.report.suite,
            run.name,
            str(run.report.n),
            _with_interval(run.report, "recall"),
            _with_interval(run.report, "false_refusal_rate"),
            _number(run.report.auc),
        )
        for run in runs
    ]
    return Sheet("All suites", ("suite", "run", "n", "recall, %", "refused, %", "AUC"), tuple(rows), wordy=("run",))


def _with_interval(report: SuiteReport, name: str) -> str:
    value: float | None = getattr(report, name)
    return "–" if value is None else f"{_percent(value)} ({_interval(report.intervals.get(name))})"


def _as_detector(suite: str, runs: Sequence[NamedRun]) -> Sheet:
    rows = []
    for run in runs:
        report = run.report
        rows.append(_detector_row(run.name, report))
        rows.append(
            (
                "  95 % interval",
                "",
                "",
                *(
                    _interval(report.intervals.get(name))
                    for name in ("recall", "false_refusal_rate", "group_false_refusal_rate")
                ),
                _interval(report.intervals.get("auc"), scale=1, digits=2),
                _interval(report.intervals.get("recall_at_frr/0.05")),
            )
        )
        rows += [_detector_row(f"  {name}", figures) for name, figures in report.controls.items()]
    notes = () if suite == _MMSAFEAWARE else tuple(_notes(runs))
    return Sheet(
        f"{suite}: unsafe pairs caught, harmless ones refused, %",
        ("", "n", "groups", "recall", "refused", "in groups", "AUC", "recall@5"),
        tuple(rows),
        ("refused: share of harmless rows; in groups: of groups with one; recall@5: at most 5 % refused.", *notes),
    )


def _detector_row(name: str, figures: Figures) -> tuple[str, ...]:
    return (
        name,
        str(figures.n),
        str(figures.n_groups),
        _percent(figures.recall),
        _percent(figures.false_refusal_rate),
        _percent(figures.group_false_refusal_rate),
        _number(figures.auc),
        _percent(figures.recall_at_frr.get("0.05")),
    )


def _margin(name: str, margin: Margin) -> str:
    return (
        f"{name}: its AUC less the best of chance and its controls ({margin.best}, {margin.best_auc:.2f}): "
        f"{margin.margin:+.2f} (95 % {margin.low:+.2f} to {margin.high:+.2f}); above 0 it combines text and picture."
    )


def _notes(runs: Sequence[NamedRun]) -> list[str]:
    """Return what there is to say about runs; what holds of several is said once."""
    names: dict[str, list[str]] = {}
    for run in runs:
        for note in _notes_of(run.report):
            names.setdefault(note, []).append(run.name)
    return [f"{', '.join(said_of)}: {note}" for note, said_of in names.items()]


def _decided_by(info: Mapping[str, str | float | None]) -> str:
    """Return what a target was measured with, beside its name."""
    policy, threshold, mitigation = (info.get(name) for name in ("policy", "threshold", "mitigation"))
    said = f" at {info['api_base']}" if info.get("api_base") is not None else ""
    said += f", policy {policy}" if policy is not None else ""
    said += f", threshold {threshold:.3f}" if isinstance(threshold, float) else ""
    return said + (f", mitigation {mitigation}" if mitigation not in (None, "none") else "")


def _notes_of(report: SuiteReport) -> list[str]:
    notes = [
        f"target {report.target}{_decided_by(report.target_info)}; {report.n} rows with a verdict, "
        f"{report.n_groups} groups."
    ]
    if report.limit is not None:
        notes.append(f"a sample (--limit {report.limit}), not the whole suite.")
    if report.errors or report.unjudged:
        codes = ", ".join(f"{code} {count}" for code, count in report.codes.items())
        notes.append(
            f"{report.errors} errors and {report.unjudged} unjudged rows ({codes}) are left out: "
            f"accuracy {_percent(report.accuracy)}, {_percent(report.accuracy_if_wrong)} if they were all wrong, "
            f"{_percent(report.accuracy_if_right)} if all right."
        )
    if report.missing_pictures:
        named = ", ".join(report.missing_picture_ids[:_NAMED])
        more = (
            f" and {report.missing_pictures - _NAMED} more, listed in report.json"
            if report.missing_pictures > _NAMED
            else ""
        )
        notes.append(f"{report.missing_pictures} rows have no picture here and were not run: {named}{more}.")
    if report.unequal_sampling:
        notes.append("rows were sampled with different probabilities; every figure counts each row once.")
    for why in dict.fromkeys(report.controls_left_out.values()):
        names = ", ".join(name for name, reason in report.controls_left_out.items() if reason == why)
        notes.append(f"controls left out: {names}: {why}.")
    return notes


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _part_interval(part: SplitFigures | None) -> str:
    return "" if part is None or part.low is None or part.high is None else _interval((part.low, part.high))


def _interval(interval: Interval, *, scale: float = 100, digits: int = 0) -> str:
    return "" if interval is None else f"{scale * interval[0]:.{digits}f}–{scale * interval[1]:.{digits}f}"

"""The paper's second and third table: models with and without a safety system prompt, and with each mitigation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmark.figures import SuiteReport
from benchmark.named import NamedRun
from benchmark.published import MITIGATIONS, SAFETY_PROMPT, PublishedParts
from benchmark.sheets import Sheet

_PART_NAMES = ("unsafe", "over-safety", "overall")
# What else differs between two runs of one model with and without a mitigation.
_OF_MITIGATION = ("mitigation", "question", "system")


@dataclass(frozen=True, slots=True)
class _Parts:
    """Accuracy in percent; None where there is no row with a verdict."""

    unsafe: float | None
    over_safety: float | None
    overall: float | None

    def cells(self) -> tuple[str, str, str]:
        return _percent(self.unsafe), _percent(self.over_safety), _percent(self.overall)


def mitigation_sheets(runs: Sequence[NamedRun]) -> list[Sheet]:
    """Return both tables for runs of MMSafeAware; none where no run has a mitigation."""
    mitigated = [run for run in runs if _mitigation(run.report) not in (None, "none")]
    if not mitigated:
        return []
    plain = {_model(run.report): run for run in runs if _mitigation(run.report) == "none"}
    prompted = [run for run in mitigated if _mitigation(run.report) == "safety-prompt"]
    others = [run for run in mitigated if _mitigation(run.report) != "safety-prompt"]
    return [*([_with_safety_prompt(prompted, plain)] if prompted else []), *([_with(others, plain)] if others else [])]


def _with_safety_prompt(runs: Sequence[NamedRun], plain: Mapping[tuple[object, ...], NamedRun]) -> Sheet:
    rows = [
        _change(name, _of_published(before), _of_published(after)) for name, (before, after) in SAFETY_PROMPT.items()
    ]
    rows += [_change(run.name, _before(run, plain), _of_report(run.report)) for run in runs]
    return Sheet(
        "MMSafeAware with the safety system prompt: right, %",
        ("", *_PART_NAMES),
        tuple(rows),
        (
            "Without → with the prompt. Published rows: arXiv 2502.11184; the wording of this project's is its own.",
            *_pairing(runs, plain),
        ),
    )


def _with(runs: Sequence[NamedRun], plain: Mapping[tuple[object, ...], NamedRun]) -> Sheet:
    rows = [(model, way, *_of_published(parts).cells()) for (model, way), parts in MITIGATIONS.items()]
    by_model: dict[tuple[object, ...], list[NamedRun]] = {}
    for run in runs:
        by_model.setdefault(_model(run.report), []).append(run)
    for model, mitigated in by_model.items():
        if model in plain:
            rows.append((plain[model].name, "none", *_of_report(plain[model].report).cells()))
        rows += [(run.name, str(_mitigation(run.report)), *_of_report(run.report).cells()) for run in mitigated]
    return Sheet(
        "MMSafeAware with mitigations: accuracy, %",
        ("", "mitigation", *_PART_NAMES),
        tuple(rows),
        ("Published rows: arXiv 2502.11184.", *_pairing(runs, plain)),
        wordy=("mitigation",),
    )


def _pairing(runs: Sequence[NamedRun], plain: Mapping[tuple[object, ...], NamedRun]) -> list[str]:
    notes = []
    for run in runs:
        before = plain.get(_model(run.report))
        if before is None:
            notes.append(f"{run.name}: no run of the same model without the mitigation is among these.")
        else:
            notes.append(
                f"{run.name}: without is {before.name}; `guard benchmark compare` has the intervals of the difference."
            )
    return notes


def _change(name: str, before: _Parts | None, after: _Parts) -> tuple[str, ...]:
    firsts = ("–", "–", "–") if before is None else before.cells()
    return (name, *(f"{first} → {second}" for first, second in zip(firsts, after.cells(), strict=True)))


def _before(run: NamedRun, plain: Mapping[tuple[object, ...], NamedRun]) -> _Parts | None:
    found = plain.get(_model(run.report))
    return None if found is None else _of_report(found.report)


def _of_published(parts: PublishedParts) -> _Parts:
    return _Parts(parts.unsafe, parts.over_safety, parts.overall)


def _of_report(report: SuiteReport) -> _Parts:
    refused = report.false_refusal_rate
    return _Parts(
        None if report.recall is None else 100 * report.recall,
        None if refused is None else 100 * (1 - refused),
        None if report.accuracy is None else 100 * report.accuracy,
    )


def _mitigation(report: SuiteReport) -> str | None:
    found = report.target_info.get("mitigation")
    return found if isinstance(found, str) else None


def _model(report: SuiteReport) -> tuple[object, ...]:
    """Return what two runs of one model share, on the same rows."""
    info = {
        key: value
        for key, value in report.target_info.items()
        if key not in _OF_MITIGATION and not key.startswith("vcd_")
    }
    return (report.suite_digest, report.limit, *sorted((key, str(value)) for key, value in info.items()))


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"

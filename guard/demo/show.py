"""The demo's tables: what Guard said, and which of its metrics moved. They fit 80 columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from rich import box
from rich.table import Table
from rich.text import Text

from guard.demo.pairs import DemoPair

_STYLES = {"allow": "green", "flag": "yellow", "review": "yellow", "block": "red"}

# Name and labels of a metric -> its value; of a histogram, its count and the sum of what it observed.
Figures = Mapping[tuple[str, str], tuple[float, float | None]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the client saw of one pair, and the line that Guard logged about it."""

    pair: DemoPair
    latency_ms: float
    log: Mapping[str, Any]


def verdict_table(outcomes: Sequence[Outcome]) -> Table:
    """Return one row a pair: prompt, picture, verdict and action, probability, why, latency."""
    table = Table(title="What Guard said", title_justify="left", box=box.ROUNDED, show_lines=True)
    table.add_column(Text("prompt [picture]"))
    table.add_column("verdict", no_wrap=True)
    table.add_column("prob.", justify="right", no_wrap=True)
    table.add_column("why", no_wrap=True)
    table.add_column("ms", justify="right", no_wrap=True)
    for outcome in outcomes:
        log = outcome.log
        table.add_row(
            _prompt(outcome.pair),
            Text(f"{log['verdict']}: {log['action']}", style=_STYLES[log["action"]]),
            "-" if log["probability"] is None else f"{log['probability']:.3f}",
            _why(log),
            f"{outcome.latency_ms:.0f}",
        )
    return table


def mistakes(outcomes: Sequence[Outcome]) -> str:
    """Return in a sentence or two where Guard's verdicts differ from what the pairs mean, both ways."""
    judged = [outcome for outcome in outcomes if outcome.log["verdict"] != "unjudged"]
    wrong = [outcome.pair for outcome in judged if (outcome.log["verdict"] == "unsafe") != outcome.pair.is_harmful]
    if not wrong:
        return f"Judged wrongly: none of {len(judged)} pairs."
    refused = [pair.prompt for pair in wrong if not pair.is_harmful]
    missed = [pair.prompt for pair in wrong if pair.is_harmful]
    said = [f"harmless, but called unsafe: {'; '.join(refused)}"] if refused else []
    said += [f"harmful, but called safe: {'; '.join(missed)}"] if missed else []
    return f"Judged wrongly: {len(wrong)} of {len(judged)} pairs ({' / '.join(said)})."


def _prompt(pair: DemoPair) -> Text:
    picture = f" [{pair.shown_as}]" if pair.shown_as else ""
    note = f" ({pair.note})" if pair.note else ""
    return Text.assemble(pair.prompt, (picture, "cyan"), (note, "dim"))


def _why(log: Mapping[str, Any]) -> str:
    if log["verdict"] == "unjudged":
        return str(log["code"])
    return str(log["cause"] or ("cached" if log["cached"] else "-"))


def read_figures(page: str) -> Figures:
    """Return Guard's counters and histograms from a metrics page."""
    figures: dict[tuple[str, str], tuple[float, float | None]] = {}
    for family in text_string_to_metric_families(page):
        if not family.name.startswith("guard_"):
            continue
        values = {(sample.name, _labels(sample.labels)): sample.value for sample in family.samples}
        for (name, labels), value in values.items():
            if family.type == "counter":
                figures[name, labels] = (value, None)
            elif name == f"{family.name}_count":
                figures[family.name, labels] = (value, values[f"{family.name}_sum", labels])
    return figures


def metric_table(before: Figures, after: Figures) -> Table:
    """Return one row for each metric that moved between two readings, with its labels below its name."""
    table = Table(box=None, pad_edge=False)
    table.add_column("Metrics that moved", no_wrap=True)
    table.add_column("by", justify="right", no_wrap=True)
    table.add_column("mean", justify="right", no_wrap=True)
    shown = ""
    for (name, labels), (count, total) in sorted(after.items()):
        earlier_count, earlier_total = before.get((name, labels), (0.0, 0.0))
        moved = count - earlier_count
        if not moved:
            continue
        if labels and name != shown:
            table.add_row(Text(name))
        shown = name
        mean = "" if total is None else f"{(total - (earlier_total or 0.0)) / moved:.3g}"
        table.add_row(Text(f"  {labels}" if labels else name), f"+{moved:g}", mean)
    return table


def _labels(labels: Mapping[str, str]) -> str:
    # The same for the whole demo; and what is intended is what is done, in mode enforce.
    constant = {"policy", "route", "mode", "direction"} | ({"intended"} if "action" in labels else set())
    return " ".join(f"{name}={value}" for name, value in sorted(labels.items()) if name not in constant)

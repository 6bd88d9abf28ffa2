"""Verdicts for people, in 80 columns."""

from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from guard.cli.records import Record
from guard.types import Decision, RuleKind, Verdict

_COLOURS = {Verdict.SAFE: "green", Verdict.UNSAFE: "red", Verdict.UNJUDGED: "yellow"}
_WIDTH = 80
_CATEGORIES_SHOWN = 3


def print_verdict(decision: Decision, *, bundle: str) -> None:
    """Print a decision: verdict, figures, likeliest categories, what became of each picture, and the time it took."""
    console = Console(width=_WIDTH, highlight=False, markup=False)
    colour = _COLOURS[decision.verdict]
    console.print(
        Text.assemble((f" {decision.verdict.value.upper()} ", f"reverse bold {colour}"), f" {_why(decision)}")
    )
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column()
    for name, value in _rows(decision, bundle):
        table.add_row(name, value)
    console.print(table)


def print_summary(counts: Counter[str], shown: Sequence[Record], *, errors: int) -> None:
    """Print how many lines got which verdict, and the first lines that could not be read, on stderr."""
    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    figures = ", ".join(f"{counts[verdict]} {verdict.value}" for verdict in Verdict)
    total = counts.total() + errors
    console.print(f"{total} {'line' if total == 1 else 'lines'}: {figures}, {errors} not readable")
    for record in shown:
        console.print(f"  line {record.line} ({record.id}): {record.error}", style="yellow")
    if errors > len(shown):
        console.print(f"  and {errors - len(shown)} more, each named in the output", style="yellow")


def _why(decision: Decision) -> str:
    done = f"-> {decision.action.value}"
    if decision.code is not None:
        return f"{done}: not all of it could be judged ({decision.code})"
    if decision.cause is None:
        return done
    cause = {"text": "by the text alone", "image": "by the picture alone", "together": "only both together"}
    return f"{done}: {cause[decision.cause.value]}"


def _rows(decision: Decision, bundle: str) -> list[tuple[str, str]]:
    rows = []
    if decision.probability is not None and decision.threshold is not None:
        sign = "reaches" if decision.probability >= decision.threshold else "is below"
        rows.append(("probability", f"{decision.probability:.4f} {sign} {decision.threshold:.4f} ({decision.policy})"))
    if decision.rule is not None and decision.rule.kind is not RuleKind.UNSAFE:
        rule = decision.rule
        rows.append(
            ("rule", f"{rule.kind} {rule.name} {rule.probability:.4f} reaches {rule.threshold:g}: {rule.action}")
        )
    likeliest = sorted(decision.categories.items(), key=lambda item: -item[1])[:_CATEGORIES_SHOWN]
    if likeliest and decision.verdict is Verdict.UNSAFE:
        rows.append(("categories", ", ".join(f"{name} {value:.2f}" for name, value in likeliest)))
    for index, image in enumerate(decision.images, start=1):
        fate = "judged" if image.judged else f"not judged: {image.reason}"
        writing = f", {image.ocr_text_chars} characters of writing" if image.ocr_text_chars else ""
        rows.append((f"picture {index}", fate + writing))
    rows.append(("bundle", f"{bundle} {decision.bundle[:12]}"))
    rows.append(("time", ", ".join(f"{stage} {value:.1f} ms" for stage, value in decision.latency_ms.items())))
    return rows

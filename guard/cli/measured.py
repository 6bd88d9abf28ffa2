"""What finished runs say: `guard benchmark report`, `compare` and `threshold`; and whom to measure: `models`."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmark.sheets import Sheet

_Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Folders of finished runs.")],
    out: Annotated[
        Path | None, typer.Option(help="Write report.md, report.json and, of MMSafeAware, report.svg into this folder.")
    ] = None,
    as_json: _Json = False,
) -> None:
    """Show runs beside the published rows, with controls, mitigations and scenarios."""
    import orjson

    from benchmark.chart import draw_errors
    from benchmark.figures import read_report
    from benchmark.named import NamedRun, names_of
    from benchmark.report import make_sheets
    from benchmark.rows import is_run
    from benchmark.sheets import to_markdown
    from guard.cli.output import write_documents
    from guard.errors import UsageError

    if out is not None and is_run(out):
        raise UsageError(f"{out} holds a run, whose report.json this would replace; choose another --out")
    named = [NamedRun(name, read_report(folder)) for name, folder in zip(names_of(runs), runs, strict=True)]
    sheets = make_sheets(named)
    document = orjson.dumps(
        {run.name: run.report.model_dump(mode="json") for run in named}, option=orjson.OPT_INDENT_2
    ).decode()
    if out is not None:
        picture = draw_errors(named)
        text = to_markdown("Benchmark", sheets)
        if picture is not None:
            text = text.replace("\n\n", "\n\n![Harmless pairs refused and unsafe pairs missed](report.svg)\n\n", 1)
        drawn = {} if picture is None else {"report.svg": picture}
        write_documents(out, {"report.md": text, "report.json": document + "\n", **drawn})
    if as_json:
        typer.echo(document)
    else:
        show(sheets)


def compare(
    first: Annotated[Path, typer.Argument(metavar="FIRST", help="Folder of the first run.")],
    second: Annotated[Path, typer.Argument(metavar="SECOND", help="Folder of the second run.")],
    max_more_refusals: Annotated[
        float | None, typer.Option(metavar="MARGIN", help="Exit with 1 unless false refusals rise by less, proven.")
    ] = None,
    max_less_recall: Annotated[
        float | None, typer.Option(metavar="MARGIN", help="Exit with 1 unless unsafe recall falls by less, proven.")
    ] = None,
    as_json: _Json = False,
) -> None:
    """Show what changes from the first run to the second; with margins, whether the second is not worse."""
    import orjson

    from benchmark.compare import compare_runs, to_sheet
    from benchmark.inferior import Kind, check_margins
    from benchmark.inferior import to_sheet as margin_sheet

    asked: dict[Kind, float | None] = {"false_refusals": max_more_refusals, "recall": max_less_recall}
    margins = {kind: margin for kind, margin in asked.items() if margin is not None}
    found, checks = compare_runs(first, second), check_margins(first, second, margins)
    if as_json:
        document = {**found.model_dump(mode="json"), "margins": [each.model_dump(mode="json") for each in checks]}
        typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
    else:
        show([to_sheet(found), *([margin_sheet(checks)] if checks else [])])
    if any(each.verdict != "holds" for each in checks):
        raise typer.Exit(1)


def models(as_json: _Json = False) -> None:
    """List models by name: the paper's nine, today's, and guards among models; with the key that each needs."""
    import os

    import orjson

    from benchmark.ready import READY
    from benchmark.sheets import Sheet

    if as_json:
        rows = [model.to_dict() for model in READY]
        typer.echo(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode())
        return
    lines = tuple(
        line
        for model in READY
        for line in (
            (model.name, model.target or "–"),
            ("", "; ".join(filter(None, (_key(model.key, os.environ), model.note)))),
        )
    )
    notes = ("Names to call with your own keys or weights: none of these was measured by this project.",)
    sheet = Sheet("Models", ("", "target; key; note"), lines, notes, wordy=("target; key; note",))
    show([sheet])


def threshold(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run with scores.")],
    max_false_refusal: Annotated[
        list[float],
        typer.Option(metavar="RATE", help="Tolerated rate of false refusals, such as 0.05; several share the error."),
    ],
    confidence: Annotated[float, typer.Option(help="That all certificates hold.")] = 0.95,
    unit: Annotated[
        Literal["group", "request", "mean"],
        typer.Option(help="What the rate is a share of: groups with a refusal, or requests."),
    ] = "group",
    out: Annotated[Path | None, typer.Option(help="Folder for threshold.md, threshold.json and threshold.svg.")] = None,
    as_json: _Json = False,
) -> None:
    """Certify a threshold on a run's scores, for targets that have no bundle; exits with 1 where none can be."""
    from benchmark.certified import certify_run, to_sheet
    from benchmark.curve import draw_curve
    from benchmark.sheets import to_markdown
    from guard.cli.output import write_documents

    found = certify_run(run, max_false_refusal, confidence=confidence, unit=unit)
    sheet, document = to_sheet(found), found.model_dump_json(indent=2)
    if out is not None:
        page = to_markdown("Thresholds", [sheet]) + "\n![What is caught at each share refused](threshold.svg)\n"
        written = {"threshold.json": document + "\n", "threshold.md": page, "threshold.svg": draw_curve(found)}
        write_documents(out, written)
    if as_json:
        typer.echo(document)
    else:
        show([sheet])
    if any(each.outcome != "certified" for each in found.certificates):
        raise typer.Exit(1)


def show(sheets: "Sequence[Sheet]") -> None:
    """Print sheets on the terminal."""
    from rich.console import Console

    from benchmark.sheets import to_terminal

    Console().print(to_terminal(sheets))


def _key(name: str | None, environment: Mapping[str, str]) -> str:
    return "" if name is None else f"{name} {'is set' if environment.get(name) else 'is missing'}"

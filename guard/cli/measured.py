"""`guard benchmark models` and `guard benchmark threshold`: whom to measure, and what a run proves of its scores."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import typer

_Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def models(as_json: _Json = False) -> None:
    """List models by name: the paper's nine, today's, and guards among models; with the key that each needs."""
    import os

    import orjson
    from rich.console import Console

    from benchmark.ready import READY
    from benchmark.sheets import Sheet, to_terminal

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
    Console().print(to_terminal([sheet]))


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
    from rich.console import Console

    from benchmark.certified import certify_run, to_sheet
    from benchmark.curve import draw_curve
    from benchmark.sheets import to_markdown, to_terminal
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
        Console().print(to_terminal([sheet]))
    if any(each.outcome != "certified" for each in found.certificates):
        raise typer.Exit(1)


def _key(name: str | None, environment: Mapping[str, str]) -> str:
    return "" if name is None else f"{name} {'is set' if environment.get(name) else 'is missing'}"

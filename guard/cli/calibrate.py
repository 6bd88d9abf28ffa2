"""`guard calibrate`: labelled pairs in; certified thresholds, a bundle and a report out."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from guard.calibration import Adaptation, Analysis, Calibrated


def register(app: typer.Typer) -> None:
    """Add the command `calibrate`."""
    app.command()(calibrate)


def calibrate(
    data: Annotated[
        str, typer.Option(help="Labelled pairs: a directory, a JSONL file, or a name under GUARD_DATA (mmsafeaware).")
    ],
    max_false_refusal: Annotated[
        list[float],
        typer.Option(metavar="RATE", help="Tolerated rate of false refusals, such as 0.05; several share the error."),
    ],
    out: Annotated[Path, typer.Option(help="New or empty folder for the bundle, report.html and report.json.")],
    format: Annotated[  # noqa: A002 - the option's name
        Literal["mmsafeaware", "jsonl", "pack"] | None, typer.Option(help="Recognised by default.")
    ] = None,
    bundle: Annotated[str, typer.Option(help='A bundle directory, or "embedded".')] = "embedded",
    confidence: Annotated[float, typer.Option(help="That all certificates of the run hold.")] = 0.95,
    unit: Annotated[
        Literal["group", "request", "mean"] | None,
        typer.Option(
            help="What the rate is a share of: groups with a refusal, or requests; mean counts all their rows. "
            "[default: group; request for a review export]"
        ),
    ] = None,
    prevalence: Annotated[float | None, typer.Option(help="Share of unsafe requests in your traffic.")] = None,
    cost_miss: Annotated[float | None, typer.Option(help="Cost of an unsafe request let through.")] = None,
    cost_refusal: Annotated[float | None, typer.Option(help="Cost of a harmless request refused.")] = None,
    max_miss_rate: Annotated[
        float | None, typer.Option(help="Tolerated rate of misses, at one threshold together with all other limits.")
    ] = None,
    max_false_refusal_per_category: Annotated[
        float | None, typer.Option(help="Tolerated rate of false refusals in each category, at that threshold too.")
    ] = None,
    adapt: Annotated[
        bool, typer.Option("--adapt", help="First fit the model's last layer to half of these pairs. Wants onnx.")
    ] = False,
    thumbnails: Annotated[
        bool, typer.Option(help="Show pictures of the pairs nearest to the threshold in report.html.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print report.json.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress and no tables.")] = False,
) -> None:
    """Choose thresholds with a proof on labelled pairs, and write a bundle that carries them.

    Exits with 1 when a declared limit is not certifiable, and when --adapt gains nothing or costs too much elsewhere;
    the report is written all the same.
    """
    import asyncio
    import datetime as dt
    from dataclasses import replace

    from guard.calibration import Declaration, require_empty, write_refusal
    from guard.calibration import calibrate as run
    from guard.calibration.requirements import require_whole_groups
    from guard.cli.adapting import adapt_bundle, say_adaptation
    from guard.cli.interrupt import saying_when_interrupted
    from guard.cli.memory import open_memory
    from guard.cli.output import claim_folder
    from guard.cli.scoring import score
    from guard.suites import load_suite, with_traffic

    declaration = Declaration(
        limits=tuple(max_false_refusal),
        confidence=confidence,
        unit=unit or "group",
        prevalence=prevalence,
        cost_miss=cost_miss,
        cost_refusal=cost_refusal,
        miss_limit=max_miss_rate,
        category_limit=max_false_refusal_per_category,
    )
    require_empty(out)
    suite = load_suite(data, format=format)
    if not adapt:  # an adapted guard scores otherwise than the one that the traffic was decided by
        suite = with_traffic(suite)
    if unit is None and suite.traffic is not None:
        declaration = replace(declaration, unit="request")
    require_whole_groups(suite, declaration.unit)  # before minutes of scoring
    claim_folder(out)
    memory = open_memory("scores are not kept, and calibrations on this data not counted")
    today = dt.datetime.now(dt.UTC).date()
    if adapt:
        with saying_when_interrupted("nothing was kept; no threshold was chosen"), TemporaryDirectory() as folder:
            adapted = adapt_bundle(suite, bundle, Path(folder), today=today, show_progress=not quiet)
            if adapted.bundle is None or adapted.scored is None:
                write_refusal(adapted.adaptation, out)
                _refuse(adapted.adaptation, out, as_json=as_json, quiet=quiet)
            done = run(
                adapted.scored,
                declaration,
                bundle=adapted.bundle,
                out=out,
                today=today,
                memory=memory,
                adaptation=adapted.adaptation,
                with_pictures=thumbnails,
            )
        if done.adaptation is not None and not (as_json or quiet):
            say_adaptation(done.adaptation)
        return _answer(done, out, as_json=as_json, quiet=quiet)
    kept = "nothing was kept" if memory is None else f"scores so far are kept in {memory.folder}"
    with saying_when_interrupted(f"{kept}; no threshold was chosen"):
        scored, opened = asyncio.run(score(suite, bundle, memory, show_progress=not quiet))
    done = run(scored, declaration, bundle=opened, out=out, today=today, memory=memory, with_pictures=thumbnails)
    return _answer(done, out, as_json=as_json, quiet=quiet)


def _refuse(adaptation: "Adaptation", out: Path, *, as_json: bool, quiet: bool) -> NoReturn:
    """Say why the bundle was not adapted, and exit with 1."""
    from guard.cli.adapting import say_adaptation

    if as_json:
        typer.echo((out / "report.json").read_text(encoding="utf-8"), nl=False)
    elif not quiet:
        say_adaptation(adaptation)
    typer.echo(adaptation.refusal, err=True)
    raise typer.Exit(1)


def _answer(done: "Calibrated", out: Path, *, as_json: bool, quiet: bool) -> None:
    """Print what was asked for; exit with 1 where a declared limit has no certificate."""
    if as_json:
        typer.echo((out / "report.json").read_text(encoding="utf-8"), nl=False)
    elif not quiet:
        _summarise(done, out)
    if not done.analysis.is_certified:
        raise typer.Exit(1)


def _summarise(done: "Calibrated", out: Path) -> None:
    from rich.console import Console

    from guard.calibration.together import explain_jointly, joint_verdict
    from guard.calibration.words import explain, heading, in_short, warnings, whose_certificate

    # Names of suites, bundles and folders are the user's, and may look like markup.
    console = Console(markup=False)
    analysis = done.analysis
    for sentence in in_short(analysis):
        console.print(sentence, highlight=False)
    for answer in analysis.answers:
        console.print(heading(answer, analysis), style="bold")
        console.print(f"  {explain(answer)}", highlight=False)
    if analysis.joint is not None:
        console.print(f"All limits at one threshold: {joint_verdict(analysis.joint)}", style="bold")
        console.print(f"  {explain_jointly(analysis.joint)}", highlight=False)
    console.print(_points_table(analysis))
    for warning in warnings(analysis, done.looks):
        console.print(f"! {warning}", highlight=False)
    console.print(whose_certificate(analysis), highlight=False)
    console.print(f"{out}/report.html" + ("" if done.bundle is None else f", bundle {done.bundle.label} in {out}"))


def _points_table(analysis: "Analysis") -> "Table":
    from rich.table import Table
    from rich.text import Text

    from guard.calibration.words import interval

    table = Table("point", "threshold", "unsafe caught", "harmless refused", "groups with a refusal")
    cheapest = {} if analysis.cheapest is None else {"cheapest": analysis.cheapest}
    joint = {} if analysis.joint_figures is None else {"joint": analysis.joint_figures}
    chosen = {**analysis.certified, **joint, **cheapest}
    # A point of an earlier calibration that was chosen anew is no longer what its name says.
    kept = {name: figures for name, figures in analysis.shipped.items() if name not in chosen}
    for name, figures in (chosen | kept).items():
        shown = (figures.recall, figures.false_refusal_rate, figures.group_false_refusal_rate)
        table.add_row(Text(name), f"{figures.threshold:.4g}", *map(interval, shown))
    return table

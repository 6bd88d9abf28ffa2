"""`guard benchmark crossfit`: what limits promised on some groups of a suite come to on the others."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from benchmark.crossfit.figures import CrossFit
    from benchmark.crossfit.plan import Plan
    from guard.bundle import Bundle
    from guard.calibration import Memory, Scored
    from guard.suites import Suite

_PICTURE = "crossfit.svg"


def crossfit(
    suite: Annotated[
        str, typer.Option(help="A name under GUARD_DATA (mmsafeaware, a pack's), a directory or a JSONL file.")
    ],
    max_false_refusal: Annotated[
        list[float],
        typer.Option(metavar="RATE", help="Tolerated rate of false refusals, such as 0.05; several share the error."),
    ],
    target: Annotated[str, typer.Option(help="embedded, or bundle:DIR.")] = "embedded",
    out: Annotated[
        Path | None, typer.Option(help="Write crossfit.md, crossfit.svg and crossfit.json into this folder.")
    ] = None,
    repeats: Annotated[int, typer.Option(help="How often the groups are dealt into folds.")] = 20,
    folds: Annotated[int, typer.Option(help="Folds of a repeat: each is held out once.")] = 5,
    confidence: Annotated[float, typer.Option(help="That all certificates of one choice hold.")] = 0.95,
    unit: Annotated[
        Literal["group", "request", "mean"],
        typer.Option(
            help="What the rate is a share of: groups with a refusal, or requests; mean counts all their rows."
        ),
    ] = "group",
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress and no tables.")] = False,
) -> None:
    """Choose certified thresholds on some groups, measure them on the others, over repeated folds.

    A suite is scored once; raw scores are shared with `guard calibrate`. It counts as a look at the data.
    """
    import asyncio

    from benchmark.crossfit.chart import draw_crossfit
    from benchmark.crossfit.plan import Plan
    from benchmark.crossfit.sheet import make_sheets, to_page
    from guard.calibration.requirements import require_whole_groups
    from guard.cli.interrupt import saying_when_interrupted
    from guard.cli.memory import open_memory
    from guard.cli.output import claim_folder, write_documents
    from guard.cli.scoring import score
    from guard.suites import load_suite

    plan = Plan(tuple(max_false_refusal), repeats=repeats, folds=folds, confidence=confidence, unit=unit)
    bundle = _bundle_of(target)
    loaded = load_suite(suite)
    require_whole_groups(loaded, plan.unit)
    if out is not None:
        claim_folder(out)
    memory = open_memory("scores are not kept, and this look at the data not counted")
    kept = "nothing was kept" if memory is None else f"scores so far are kept in {memory.folder}"
    with saying_when_interrupted(f"{kept}; nothing was evaluated"):
        scored, opened = asyncio.run(score(loaded, bundle, memory, show_progress=not quiet))
        found = _evaluate(scored, opened, target, plan, show_progress=not quiet)
    _count_look(scored.suite, opened, plan, memory)
    document = found.model_dump_json(indent=2)
    if out is not None:
        page = to_page(found, picture=_PICTURE)
        written = {"crossfit.md": page, _PICTURE: draw_crossfit(found), "crossfit.json": document + "\n"}
        write_documents(out, written)
    if as_json:
        typer.echo(document)
    elif not quiet:
        from rich.console import Console

        from benchmark.sheets import to_terminal

        Console().print(to_terminal(make_sheets(found)))


def _bundle_of(target: str) -> str:
    """Return what to open for a target. Raises UsageError for one that has no raw scores to choose thresholds on."""
    from guard.errors import UsageError

    kind, _, folder = target.partition(":")
    if target == "embedded" or (kind == "bundle" and folder):
        return folder or target
    raise UsageError(f"target {target}: thresholds are chosen on raw scores, so it must be embedded or bundle:DIR")


def _evaluate(scored: "Scored", bundle: "Bundle", target: str, plan: "Plan", *, show_progress: bool) -> "CrossFit":
    from benchmark.crossfit.run import crossfit as run
    from guard.cli.scoring import progress_bar

    scores: dict[str, float | None] = dict.fromkeys(scored.unjudged)
    scores |= {pair.id: float(score) for pair, score in zip(scored.pairs, scored.scores, strict=True)}
    with progress_bar(show=show_progress) as progress:
        task = progress.add_task("choosing and measuring", total=None)
        return run(
            scored.suite,
            scores,
            plan,
            target=target if target == "embedded" else "bundle:DIR",
            bundle=f"{bundle.label} ({bundle.digest[:12]})",
            on_progress=lambda done, total: progress.update(task, completed=done, total=total),
        )


def _count_look(suite: "Suite", bundle: "Bundle", plan: "Plan", memory: "Memory | None") -> None:
    """Note that these limits were tried on this data: who reads the answer and then declares others has looked."""
    from guard.calibration import Declaration
    from guard.calibration.looks import Look, take_look
    from guard.calibration.same_rows import Sample

    if memory is not None:
        declared = Declaration(limits=plan.limits, confidence=plan.confidence, unit=plan.unit)
        take_look(memory.looks(suite), Look.of(declared, bundle.digest), Sample.of(suite.pairs))

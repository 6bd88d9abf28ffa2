"""`guard release gate`: a candidate against the baseline on labelled pairs, before it goes live; and `replay`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from guard.cli.replay import replay

if TYPE_CHECKING:
    from collections.abc import Sequence

    from guard.bundle import Bundle
    from guard.calibration import Memory
    from guard.release.contender import Contender
    from guard.release.gate import Gate
    from guard.release.margins import Margins
    from guard.suites import Suite


def register(app: typer.Typer) -> None:
    """Add the group `release`."""
    group = typer.Typer(help="Hold a new bundle against the live one before it serves.", no_args_is_help=True)
    group.command()(gate)
    group.command()(replay)
    app.add_typer(group, name="release")


def gate(
    candidate: Annotated[str, typer.Option(help='The new bundle: a directory, or "embedded".')],
    baseline: Annotated[str, typer.Option(help='The live bundle: a directory, or "embedded".')],
    suites: Annotated[
        list[str],
        typer.Option(metavar="PATH...", help="Labelled pairs: directories, JSONL files, or names under GUARD_DATA."),
    ],
    more: Annotated[list[str] | None, typer.Argument(metavar="PATH", help="Further suites.")] = None,
    policy: Annotated[str, typer.Option(help="Operating point of the candidate.")] = "balanced",
    baseline_policy: Annotated[
        str | None, typer.Option(help="Operating point of the baseline; the same by default.")
    ] = None,
    margins: Annotated[Path | None, typer.Option(metavar="FILE", help="Margins, in YAML or JSON.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most so many pairs of each suite, drawn by group.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write gate.json and gate.md into this folder.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Private key of ed25519 that signs the record.")
    ] = None,
    record: Annotated[
        bool, typer.Option("--record/--no-record", help="Keep the record in the candidate's records/.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the record as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress and no tables.")] = False,
) -> None:
    """Compare a candidate with the baseline on the same pairs; exits with 0 only when every check holds.

    Exits with 1 when a check fails, or the data cannot tell. The record goes into the candidate's records/.
    """
    import asyncio
    import datetime as dt

    import orjson

    from guard.bundle import RECORDS, Bundle
    from guard.cli.interrupt import saying_when_interrupted
    from guard.cli.memory import open_memory
    from guard.cli.output import claim_folder, write_documents
    from guard.errors import UsageError
    from guard.records import write_record
    from guard.release.contender import Contender
    from guard.release.document import gate_record
    from guard.release.margins import Margins, read_margins
    from guard.release.summary import to_markdown
    from guard.signing import read_private_key
    from guard.suites import load_suite

    if key is not None and not record:
        raise UsageError("--key signs the record, and --no-record leaves it out")
    allowed = Margins() if margins is None else read_margins(margins)
    signer = None if key is None else read_private_key(key)
    sides = (
        Contender.of("candidate", Bundle.load(candidate), policy),
        Contender.of("baseline", Bundle.load(baseline), baseline_policy or policy),
    )
    loaded = [load_suite(path) for path in [*suites, *(more or [])]]
    if out is not None:
        claim_folder(out)
    if record:
        claim_folder(sides[0].bundle.path / RECORDS)
    memory = open_memory("scores are not kept")
    kept = "nothing was kept" if memory is None else f"scores so far are kept in {memory.folder}"
    with saying_when_interrupted(f"{kept}; there is no verdict"):
        found = asyncio.run(_run(sides, loaded, allowed, limit, memory, show_progress=not quiet))
    _count_looks(loaded, sides[0].bundle, memory)
    written = gate_record(found, dt.datetime.now(dt.UTC).replace(microsecond=0))
    document = orjson.dumps(written.document, option=orjson.OPT_INDENT_2).decode()
    if out is not None:
        write_documents(out, {"gate.json": document + "\n", "gate.md": to_markdown(found)})
    place = write_record(sides[0].bundle, written, signer) if record else None
    if as_json:
        typer.echo(document)
    elif not quiet:
        _show(found, place)
    if found.outcome != "passed":
        raise typer.Exit(1)


def _count_looks(suites: "Sequence[Suite]", candidate: "Bundle", memory: "Memory | None") -> None:
    """Note that a candidate's errors were seen on this data: the best of several is then no longer one that was drawn.

    A calibration on the same suite says what is left of its confidence.
    """
    from guard.calibration.looks import Look, take_look
    from guard.calibration.same_rows import Sample

    if memory is not None:
        for suite in suites:
            take_look(memory.looks(suite), Look(candidate.digest, "gate", 0.95, ()), Sample.of(suite.pairs))


async def _run(
    sides: "tuple[Contender, Contender]",
    suites: "Sequence[Suite]",
    margins: "Margins",
    limit: int | None,
    memory: "Memory | None",
    *,
    show_progress: bool,
) -> "Gate":
    from rich.progress import TaskID

    from guard.cli.scoring import progress_bar
    from guard.release.gate import run_gate

    bars: dict[str, TaskID] = {}
    with progress_bar(show=show_progress) as progress:

        def advance(what: str, done: int, total: int) -> None:
            if what not in bars:
                bars[what] = progress.add_task(what, total=total)
            # What is done makes room: a gate has more parts than a terminal has lines.
            progress.update(bars[what], completed=done, visible=done < total)

        return await run_gate(*sides, suites, margins, limit=limit, memory=memory, on_progress=advance)


def _show(found: "Gate", place: Path | None) -> None:
    from rich.console import Console

    from guard.release.summary import to_terminal

    console = Console(markup=False, highlight=False)
    console.print(to_terminal(found))
    if place is not None:
        console.print(f"record: {place}", soft_wrap=True)

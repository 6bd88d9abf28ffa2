"""`guard release replay`: what a new bundle would have decided about the decisions in the store."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from guard.bundle import Bundle
    from guard.config import Settings
    from guard.release.replay import Replay
    from guard.release.replay_rates import Change, Changes
    from guard.store.store import Store
    from guard.store.values import Window

_MOST_SHOWN = 10
_WORDS = {"newly_blocked": "refused now", "newly_allowed": "let through now", "change": "refused more or less"}


def replay(
    candidate: Annotated[str, typer.Option(help='The new bundle: a directory, or "embedded".')],
    store: Annotated[
        str, typer.Option(metavar="URL", help="Where decisions are; default is the store of the configuration.")
    ] = "default",
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Policies, and the keys of kept content; as for serving.")
    ] = None,
    baseline: Annotated[
        list[str] | None,
        typer.Option(metavar="BUNDLE", help="Bundles that made the decisions; embedded is known. May be repeated."),
    ] = None,
    policy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="OLD=NEW",
            help="What OLD decided is decided by NEW, a policy or a point of the new bundle. May be repeated.",
        ),
    ] = None,
    days: Annotated[float, typer.Option(min=0.001, help="How far back.")] = 7.0,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Write replay.json into this folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print every flip as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress and no tables.")] = False,
) -> None:
    """Replay stored decisions through a new bundle: what would be refused now, what would pass, what reviewers say.

    Stored scores count where the new bundle scores as the old one does; else the content is judged anew, where it was
    kept whole. Of 1,000 decisions: what was drawn for review stands for the rest. Exits with 1 when nothing could be
    replayed.
    """
    import asyncio
    import time

    import orjson

    from guard.bundle import Bundle
    from guard.cli.output import claim_folder, write_documents
    from guard.config import Settings
    from guard.errors import UsageError
    from guard.settings_sources import load_settings
    from guard.store.opening import NOTHING, address_of, open_existing
    from guard.store.values import Window

    settings = Settings() if config is None else load_settings(config, os.environ)
    instead = _pairs(policy or [])
    named = settings.store.url if store == "default" and settings.store.url is not None else store
    place = address_of(named, os.environ)
    if place.startswith("sqlite:///") and not Path(place.removeprefix("sqlite:///")).exists():
        raise UsageError(f"--store: there is no {place.removeprefix('sqlite:///')} to replay from")
    if named == NOTHING:
        raise UsageError(f"--store: {named} keeps nothing to replay")
    kept = open_existing(settings.store.model_copy(update={"url": named}), os.environ)
    if out is not None:
        claim_folder(out)
    bundle = Bundle.load(candidate)
    others = [Bundle.load(name) for name in dict.fromkeys(["embedded", *(baseline or [])])]
    window = Window(time.time() - 86_400 * days)
    try:
        found = asyncio.run(_run(bundle, others, settings, instead, kept, window, show_progress=not quiet))
    finally:
        kept.close()
    changes = found.tally.changes()
    document = orjson.dumps(document_of(found, changes, days), option=orjson.OPT_INDENT_2).decode()
    if out is not None:
        write_documents(out, {"replay.json": document + "\n"})
    if as_json:
        typer.echo(document)
    elif not quiet:
        _show(found, changes, days)
    if not changes.n:
        raise typer.Exit(1)


def _pairs(written: list[str]) -> dict[str, str]:
    from guard.errors import UsageError

    split = [one.partition("=") for one in written]
    if not all(old and new for old, _, new in split):
        raise UsageError("--policy: takes OLD=NEW, such as balanced=proposed")
    return {old: new for old, _, new in split}


async def _run(
    candidate: "Bundle",
    others: "list[Bundle]",
    settings: "Settings",
    instead: dict[str, str],
    store: "Store",
    window: "Window",
    *,
    show_progress: bool,
) -> "Replay":
    from guard.cli.scoring import progress_bar
    from guard.release.opening import open_measured
    from guard.release.replay import policies_of, replay, same_model

    guard = await open_measured(candidate) if store.keeps_content else None
    try:
        with progress_bar(show=show_progress) as progress:
            task = progress.add_task("decisions", total=None)
            return await replay(
                candidate,
                store,
                window,
                policy_of=policies_of(candidate, settings, instead=instead),
                same=same_model(candidate, others),
                guard=guard,
                on_progress=lambda done: progress.update(task, completed=done),
            )
    finally:
        if guard is not None:
            await guard.aclose()


def document_of(found: "Replay", changes: "Changes", days: float) -> dict[str, object]:
    """Return a replay as JSON takes it: counts of what was replayed, and figures of what that stands for."""
    changing = [flip for flip in found.flips if flip.changes_blocking]
    return {
        "candidate": found.candidate,
        "days": days,
        "n": found.n,
        "ways": {way.value: count for way, count in found.ways.items()},
        "newly_blocked": found.newly_blocked,
        "newly_allowed": found.newly_allowed,
        "decisions": changes.n,
        "blocked_before": changes.blocked_before,
        "per_1000": {name: asdict(change) for name, change in _named(changes)},
        "reviewed": {
            "n": found.reviewed,
            "changed": sum(flip.label is not None for flip in changing),
            "better": sum(flip.is_better is True for flip in changing),
            "worse": sum(flip.is_better is False for flip in changing),
        },
        "flips": [
            {
                "id": flip.id,
                "policy": flip.policy,
                "direction": flip.direction.value,
                "before": flip.before.value,
                "after": flip.after.value,
                "probability_before": flip.probability_before,
                "probability_after": flip.probability_after,
                "label": None if flip.label is None else flip.label.value,
            }
            for flip in found.flips
        ],
    }


def _show(found: "Replay", changes: "Changes", days: float) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(markup=False, highlight=False)
    console.print(f"{found.candidate}: {found.n:,} decisions of the last {days:g} days replayed")
    for way, count in found.ways.items():
        console.print(f"  {count:>9,}  {way.value.replace('_', ' ')}")
    if not changes.n:
        return
    console.print(f"of {changes.n:,} decisions that this speaks of, {changes.blocked_before:,} were refused")
    seen = {"newly_blocked": f"{found.newly_blocked:,} seen, ", "newly_allowed": f"{found.newly_allowed:,} seen, "}
    for name, change in _named(changes):
        console.print(f"  {_WORDS[name]}: {seen.get(name, '')}{_of_1000(change, signed=name == 'change')}")
    reviewed = [flip for flip in found.flips if flip.label is not None and flip.changes_blocking]
    better = sum(flip.is_better is True for flip in reviewed)
    worse = sum(flip.is_better is False for flip in reviewed)
    console.print(f"of {found.reviewed:,} reviewed: {better} become right, {worse} become wrong")
    if not reviewed:
        return
    table = Table(box=None, pad_edge=False)
    for column in ("decision", "policy", "reviewer", "before", "now"):
        table.add_column(column)
    for flip in sorted(reviewed, key=lambda flip: flip.is_better is not False)[:_MOST_SHOWN]:
        before, now = (
            f"{flip.before} {_figure(flip.probability_before)}",
            f"{flip.after} {_figure(flip.probability_after)}",
        )
        table.add_row(flip.id, flip.policy, str(flip.label), before, now)
    console.print(table)
    if len(reviewed) > _MOST_SHOWN:
        console.print(f"and {len(reviewed) - _MOST_SHOWN} more (--json)")


def _named(changes: "Changes") -> "list[tuple[str, Change]]":
    return [(name, getattr(changes, name)) for name in _WORDS]


def _of_1000(change: "Change", *, signed: bool) -> str:
    if change.value is None:
        return f"no figure: {change.shortage}"
    sign = "+" if signed else ""
    worst = ", with everything that could not be judged anew at its worst" if change.is_worst_case else ""
    return f"{change.value:{sign}.2f} of 1,000 (95 % interval {change.low:{sign}.2f} to {change.high:{sign}.2f}{worst})"


def _figure(probability: float | None) -> str:
    return "" if probability is None else f"{probability:.3f}"

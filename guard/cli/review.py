"""`guard review`: what waits for review, labels for it, and labelled decisions as a suite to calibrate on."""

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from guard.store.store import Store
    from guard.store.values import StoredDecision

_DAY_S = 86_400.0
_StoreOption = Annotated[
    str, typer.Option("--store", metavar="URL", help="Where decisions are; default is the store of the configuration.")
]
_ConfigOption = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="Store, and the keys of kept content; as for serving.")
]


def register(app: typer.Typer) -> None:
    """Add the group `review`."""
    group = typer.Typer(help="Label decisions, and take the labels out.", no_args_is_help=True)
    group.command("list")(list_)
    group.command()(label)
    group.command()(export)
    app.add_typer(group, name="review")


def list_(
    store: _StoreOption = "default",
    config: _ConfigOption = None,
    policy: Annotated[str | None, typer.Option(help="Of decisions under this policy only.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, oldest first.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object a line.")] = False,
) -> None:
    """List what was drawn for review and has no label, or as many safe as unsafe. What was judged is not printed."""
    import orjson
    from rich.console import Console
    from rich.table import Column, Table

    opened = _open(store, config)
    try:
        waiting, found = opened.count_open(policy), opened.open_reviews(limit, policy)
        said = {each.id: _said(opened, each.id) for each in found}
    finally:
        opened.close()
    if as_json:
        for each in found:
            typer.echo(orjson.dumps(_line(each) | {"labels": said[each.id]}).decode())
        return
    # An id is for pasting into `guard review label`: whole, even in a terminal of 80 columns.
    columns = (Column("id", no_wrap=True, min_width=32), "decided", "policy", "intended", "prob.", "drawn")
    table = Table(*columns, box=None, pad_edge=False)
    for each in found:
        shown = "-" if each.probability is None else f"{each.probability:.3f}"
        when = time.strftime("%m-%d %H:%M", time.gmtime(each.at))
        table.add_row(each.id, when, each.policy, each.intended.value, shown, f"{each.sampling_probability:.3g}")
    Console(highlight=False, width=None if os.isatty(1) else 120).print(table)
    for id_ in filter(said.get, said):
        typer.echo(f"{id_}: reviewers contradict each other, one more decides: {_counted(said[id_])}")
    typer.echo(f"{waiting.n} open" if waiting.n else "nothing waits for review")


def label(
    id_: Annotated[str, typer.Argument(metavar="ID", help="Of the decision, as in x-guard-id.")],
    given: Annotated[str, typer.Argument(metavar="LABEL", help="safe, unsafe, unsure; or none, which takes it back.")],
    author: Annotated[str, typer.Option(help="Who says so. [default: $USER]")] = "",
    note: Annotated[str, typer.Option(help="Kept with the label; no content in it, please.")] = "",
    store: _StoreOption = "default",
    config: _ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was kept.")] = False,
) -> None:
    """Label a decision as a reviewer. Everybody's labels are kept; what most reviewers say counts."""
    import orjson

    from guard.errors import DecisionUnknown, UsageError
    from guard.store.values import MOST_NAME_CHARS, MOST_NOTE_CHARS, Label, LabelKind, Source

    who = author or os.environ.get("USER", "")
    if not who:
        raise UsageError("--author: who says so? $USER is empty")
    if len(who) > MOST_NAME_CHARS:
        raise UsageError(f"--author: who says so, in 1 to {MOST_NAME_CHARS} characters")
    if given not in {"none", *LabelKind}:
        raise UsageError(f"LABEL: {given[:40]!r} is none of safe, unsafe, unsure, none")
    if len(note) > MOST_NOTE_CHARS:
        raise UsageError(f"--note: {len(note):,} characters, limit is {MOST_NOTE_CHARS:,}")
    opened, now = _open(store, config), time.time()
    try:
        if given != "none":
            opened.label(Label(id_, LabelKind(given), who, Source.REVIEWER, now, note))
            was_there = True
        elif opened.decision(id_) is None:
            raise DecisionUnknown(f"there is no decision {id_[:40]!r}, or it was purged")
        else:
            was_there = opened.unlabel(id_, who, Source.REVIEWER, now)
    finally:
        opened.close()
    if as_json:
        typer.echo(orjson.dumps({"id": id_, "label": None if given == "none" else given, "author": who}).decode())
    elif given == "none":
        typer.echo(f"{id_}: the label by {who} is taken back" if was_there else f"{id_}: {who} had given none")
    else:
        typer.echo(f"{id_}: {given}, by {who}")


def export(
    out: Annotated[Path, typer.Option(metavar="DIR", help="New or empty folder for records.jsonl and pictures.")],
    store: _StoreOption = "default",
    config: _ConfigOption = None,
    policy: Annotated[str | None, typer.Option(help="Of decisions under this policy only.")] = None,
    days: Annotated[float, typer.Option(min=0.001, help="How far back.")] = 30.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print how many of each there are.")] = False,
) -> None:
    """Write drawn and labelled decisions as a suite, for `guard calibrate --data DIR`, with sampling probabilities.

    It holds what users sent, in the clear. Exits with 1 when nothing could be written: no labels, or no content kept.
    """
    import orjson

    from guard.cli.review_export import write_suite
    from guard.errors import UsageError
    from guard.store.values import Window

    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out}: not an empty folder")
    opened, now = _open(store, config), time.time()
    try:
        exported = write_suite(opened, Window(now - days * _DAY_S, now), out, policy=policy)
    finally:
        opened.close()
    if as_json:
        typer.echo(orjson.dumps(exported.to_dict()).decode())
    else:
        typer.echo(exported.in_words(out))
    if not exported.written:
        raise typer.Exit(1)


def _open(url: str, config: Path | None) -> "Store":
    """Return the store that the options mean; none is made. Raises ConfigInvalid, StoreFailed."""
    from guard.config import Settings
    from guard.settings_sources import load_settings
    from guard.store.opening import open_existing

    settings = Settings() if config is None else load_settings(config, os.environ)
    named = settings.store.url if url == "default" and settings.store.url is not None else url
    return open_existing(settings.store.model_copy(update={"url": named}), os.environ)


def _said(store: "Store", id_: str) -> dict[str, str]:
    """Return what each reviewer of a decision says."""
    from guard.store.values import Source

    return {each.author: each.label.value for each in store.labels_of(id_) if each.source is Source.REVIEWER}


def _counted(said: dict[str, str]) -> str:
    return ", ".join(f"{list(said.values()).count(kind)} {kind}" for kind in dict.fromkeys(said.values()))


def _line(decision: "StoredDecision") -> dict[str, object]:
    return {
        "id": decision.id,
        "at": decision.at,
        "direction": decision.direction.value,
        "policy": decision.policy,
        "verdict": decision.verdict.value,
        "intended": decision.intended.value,
        "action": decision.action.value,
        "probability": decision.probability,
        "threshold": decision.threshold,
        "code": decision.code,
        "stratum": decision.stratum,
        "sampling_probability": decision.sampling_probability,
    }

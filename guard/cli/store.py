"""`guard store`: what is kept, and how it is forgotten."""

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from guard.store.store import Store
    from guard.store_settings import StoreSettings

_DAY_S = 86_400.0
_StoreOption = Annotated[
    str | None,
    typer.Option("--store", metavar="URL", help="Where decisions are; otherwise the store of the configuration."),
]
_ConfigOption = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="The store and its keys; as for serving.")
]
_JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer) -> None:
    """Add the group `store`."""
    group = typer.Typer(help="Look at what is kept of decisions, or forget it.", no_args_is_help=True)
    group.command()(show)
    group.command()(purge)
    app.add_typer(group, name="store")


def show(store: _StoreOption = None, config: _ConfigOption = None, as_json: _JsonOption = False) -> None:
    """Say where decisions are kept, how many, and how many wait for review."""
    from guard.store.opening import open_existing
    from guard.store.values import Window

    opened = open_existing(_settings(store, config), os.environ)
    counts, waiting = opened.counts(Window(0.0)), opened.count_open()
    said = {
        "store": opened.place,
        "decisions": sum(count.n for count in counts),
        "blocked": sum(count.n for count in counts if count.intended.value == "block"),
        "open_reviews": waiting.n,
        "oldest_open_review_at": waiting.oldest_at,
        "allowances": len(opened.allowances(time.time())),
    }
    opened.close()
    if as_json:
        typer.echo(json.dumps(said))
        return
    at = waiting.oldest_at
    oldest = "none" if at is None else time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at))
    shown = said | {"oldest_open_review_at": oldest}
    typer.echo("\n".join(f"{key.replace('_', ' ')}: {value}" for key, value in shown.items()))


def purge(
    store: _StoreOption = None,
    config: _ConfigOption = None,
    older_than_days: Annotated[
        float | None, typer.Option(min=0, help="Forget decisions older than this, with their labels and content.")
    ] = None,
    user: Annotated[
        str | None,
        typer.Option(help="Forget everything about this end user, as requests name them; needs store.subject_key."),
    ] = None,
    tenant: Annotated[str, typer.Option(help="The tenant whose end user it is.")] = "default",
    as_json: _JsonOption = False,
) -> None:
    """Forget decisions by age, or everything about an end user. While serving, age alone is seen to by itself."""
    from guard.errors import UsageError
    from guard.store.opening import open_existing, open_subjects

    if (older_than_days is None) == (user is None):
        raise UsageError("say either --older-than-days or --user")
    settings = _settings(store, config)
    subject = None
    if user is not None:
        subjects = open_subjects(settings, os.environ)
        if subjects is None:
            raise UsageError("--user: without store.subject_key no end users were kept")
        subject = subjects.of(tenant, user)
        if subject is None:
            raise UsageError("--user: names nobody")
    opened = open_existing(settings, os.environ)
    before = None if older_than_days is None else time.time() - older_than_days * _DAY_S
    purged = opened.purge(before=before, subject=subject)
    is_empty = _is_emptied(opened)
    opened.close()
    if not is_empty:
        typer.echo(
            "note: somebody reads the store: what was deleted leaves its log (-wal) when they are done", err=True
        )
    said = {"decisions": purged.decisions, "labels": purged.labels, "contents": purged.contents}
    typer.echo(json.dumps(said) if as_json else "deleted " + ", ".join(f"{n} {kind}" for kind, n in said.items()))


def _is_emptied(store: "Store") -> bool:
    """Return whether the log was emptied within two seconds."""
    for _ in range(40):
        if store.checkpoint(whole=True):
            return True
        time.sleep(0.05)
    return False


def _settings(store: str | None, config: Path | None) -> "StoreSettings":
    from guard.settings_sources import load_settings

    options = {} if store is None else {"store": store}
    return load_settings(config, os.environ, options).store

"""`guard serve`: Guard in front of an LLM API."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import socket

    from guard.config import Settings
    from guard.server.reload import Reload
    from guard.server.run import Hangups


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("serve")(serve)


def serve(
    config: Annotated[Path | None, typer.Option(help="YAML file; `guard config schema` describes it.")] = None,
    upstream: Annotated[str | None, typer.Option(help="Base URL of the LLM API, with or without /v1.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.  [default: 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.  [default: 8080]")] = None,
    mode: Annotated[str | None, typer.Option(help="enforce, shadow or off.  [default: enforce]")] = None,
    bundle: Annotated[str | None, typer.Option(help='A bundle directory, or "embedded".  [default: embedded]')] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that serve on the port.  [default: 1]")] = None,
    store: Annotated[
        str | None,
        typer.Option(
            help="Where decisions are kept: sqlite:///FILE, postgresql://..., none, or default, which is "
            "$XDG_STATE_HOME/guard/guard.db.  [default: default]"
        ),
    ] = None,
) -> None:
    """Stand in front of an LLM API: judge, forward, refuse, count.

    Settings come from the file, then from variables such as GUARD__LIMITS__MAX_INFLIGHT, then from the options.
    SIGTERM finishes what is in flight and ends; SIGHUP reads the configuration anew.
    """
    options = {"upstream": upstream, "host": host, "port": port, "mode": mode, "bundle": bundle, "workers": workers}
    options |= {"store": store}

    from guard.server.logs import start_logging
    from guard.server.reload import Reload
    from guard.server.run import Hangups, bind

    hangups = Hangups()
    read = partial(_settings, config, **options)
    settings = read()
    start_logging(access=settings.access_log)
    # The port first: when it is taken, nobody waits for the model.
    with bind(settings.host, settings.port) as bound:
        start = _serve_alone if settings.workers == 1 else _serve_together
        start(settings, bound, Reload(read, settings), hangups)


def _serve_alone(settings: "Settings", bound: "socket.socket", reload: "Reload", hangups: "Hangups") -> None:
    from guard.server.app import create_app
    from guard.server.run import on_hangup, serve

    app = create_app(settings)
    live, control = app.state.live, app.state.control
    announce = _announcer(settings, bound)
    guard = live.current.guard

    def begin() -> None:
        on_hangup(lambda: reload(control.reload), before=hangups)
        announce(
            {
                "policy": guard.policy.name,
                "threshold": guard.policy.threshold,
                "bundle": guard.bundle.label,
                "digest": guard.bundle.digest,
            }
        )

    serve(app, settings, bound, begin)


def _serve_together(settings: "Settings", bound: "socket.socket", reload: "Reload", hangups: "Hangups") -> None:
    import asyncio
    import os

    from guard.server.workers import Supervisor

    threads = settings.threads or max(1, (os.cpu_count() or 1) // settings.workers)
    shared = settings.model_copy(update={"threads": threads})
    supervisor = Supervisor(shared, bound, on_ready=_announcer(settings, bound), reload=reload, hangups=hangups)
    asyncio.run(supervisor.run())


def _announcer(settings: "Settings", bound: "socket.socket") -> Callable[[Mapping[str, Any]], None]:
    from guard.server.run import address_of

    def announce(said: Mapping[str, Any]) -> None:
        address = address_of(bound, is_secure=settings.tls.certificate is not None)
        behind = str(settings.upstream.url or "no LLM API (its own pages only)").rstrip("/")
        together = "" if settings.workers == 1 else f", {settings.workers} workers"
        typer.echo(
            f"guard serves {address} in front of {behind}: mode {settings.mode.value}, "
            f"policy {said['policy']}, threshold {said['threshold']:.4g}, "
            f"bundle {said['bundle']} ({said['digest'][:12]}){together}"
        )

    return announce


def _settings(config: Path | None, **options: str | int | None) -> "Settings":
    import os

    from guard.settings_sources import load_settings

    given = {key: value for key, value in options.items() if value is not None}
    settings = load_settings(config, os.environ, given)
    if settings.store.url is not None:
        return settings
    # Only a Guard that serves keeps decisions without being told to: settings made by hand have no store.
    return settings.model_copy(update={"store": settings.store.model_copy(update={"url": "default"})})

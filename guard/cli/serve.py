"""`guard serve`: Guard in front of an LLM API."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from guard.config import Settings


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
) -> None:
    """Stand in front of an LLM API: judge, forward, refuse, count."""
    settings = _settings(config, upstream=upstream, host=host, port=port, mode=mode, bundle=bundle)

    from guard.server.app import create_app
    from guard.server.logs import start_logging
    from guard.server.run import address_of, bind, serve

    start_logging(access=settings.access_log)
    # The port first: when it is taken, nobody waits for the model.
    with bind(settings.host, settings.port) as bound:
        app = create_app(settings)
        guard = app.state.live.current.guard
        behind = str(settings.upstream.url or "no LLM API (classify only)").rstrip("/")
        line = (
            f"guard serves {address_of(bound)} in front of {behind}: mode {settings.mode.value}, "
            f"policy {guard.policy.name}, threshold {guard.policy.threshold:.4g}, "
            f"bundle {guard.bundle.label} ({guard.bundle.digest[:12]})"
        )
        serve(app, settings, bound, lambda: typer.echo(line))


def _settings(config: Path | None, **options: str | int | None) -> "Settings":
    from guard.config import Settings, parse_settings, read_settings

    settings = Settings() if config is None else read_settings(config)
    given = {key: value for key, value in options.items() if value is not None}
    if not given:
        return settings
    document = settings.model_dump(mode="json")
    url = given.pop("upstream", None)
    if url is not None:
        document["upstream"]["url"] = url
    return parse_settings(document | given, source="command line")

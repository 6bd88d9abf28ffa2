"""`guard config`: is a configuration valid, and what may stand in one."""

import os
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Check a configuration, or describe what may stand in one.", no_args_is_help=True)
    group.command("check")(check)
    group.command("schema")(schema)
    app.add_typer(group, name="config")


def check(
    file: Annotated[Path, typer.Argument(help="YAML file.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print every setting, defaults included, as JSON.")] = False,
) -> None:
    """Say whether a configuration is valid; exit with 2 and one line if it is not.

    Variables such as GUARD__PORT count as they do when serving. The bundle is opened too: only it knows the operating
    points that policies may name, and whether it may judge. Secrets and certificates that are not on this machine are
    warnings: they may be where Guard starts.
    """
    from guard.cli.named_elsewhere import missing_here
    from guard.cli.policies import lines
    from guard.core.policies import warnings
    from guard.settings_sources import load_settings
    from guard.trust import open_trusted, require_fit
    from guard.wiring import choose_policies

    settings = load_settings(file, os.environ)
    trusted = open_trusted(settings)
    bundle = trusted.bundle
    policies = choose_policies(settings, bundle)
    require_fit(trusted, policies.points, settings)
    for warning in warnings(policies, settings):
        typer.echo(f"warning: {warning}", err=True)
    for missing in missing_here(settings, os.environ):
        typer.echo(f"warning: {missing}; a start without it ends with 2", err=True)
    if as_json:
        typer.echo(settings.model_dump_json())
        return
    policy = policies.chosen.policy
    typer.echo(f"{file}: valid")
    typer.echo(f"policy {policy.name}, threshold {policy.threshold:.4g}, bundle {bundle.label}")
    for line in lines(policies):
        typer.echo(line)
    for name, said in settings.tenants.items():
        typer.echo(f"tenant {name}: policy {said.policy or policy.name}")


def schema() -> None:
    """Print the JSON schema of the configuration."""
    import orjson

    from guard.config import Settings

    typer.echo(orjson.dumps(Settings.model_json_schema(), option=orjson.OPT_INDENT_2).decode())

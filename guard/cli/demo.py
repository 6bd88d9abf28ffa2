"""`guard demo`: Guard in front of a stand-in API, seen through the official client."""

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo() -> None:
    """Start a stand-in LLM API and Guard in front of it, send some pairs, show what happened, and end."""
    from rich.console import Console

    from guard.config import Settings
    from guard.demo.run import run_demo

    run_demo(Console(), Settings())

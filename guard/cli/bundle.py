"""`guard bundle`: what is in a bundle, whether it is intact, and how two of them differ."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from guard.bundle import Bundle

_WIDTH = 80
_Folder = Annotated[str, typer.Argument(help='A bundle directory, or "embedded".')]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Show, verify or compare bundles.", no_args_is_help=True)
    group.command("show")(show)
    group.command("verify")(verify)
    group.command("diff")(diff)
    app.add_typer(group, name="bundle")


def show(bundle: _Folder = "embedded", as_json: _Json = False) -> None:
    """Show what a bundle is, its thresholds, and what was proven about them."""
    from guard.bundle import Bundle

    loaded = Bundle.load(bundle)
    if as_json:
        _echo_json({"path": str(loaded.path), "digest": loaded.digest, **loaded.manifest.model_dump(mode="json")})
        return
    _print_bundle(loaded)


def verify(bundle: _Folder = "embedded", as_json: _Json = False) -> None:
    """Check every digest, load every graph, score texts and a picture; exit with 1 if the bundle cannot be used."""
    import asyncio

    from guard.bundle import Bundle, embedded_path
    from guard.errors import BundleInvalid, ScorerFailed, UsageError

    folder = embedded_path() if bundle == "embedded" else Path(bundle)
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such directory")
    try:
        loaded = Bundle.load(bundle)
        asyncio.run(_probe(loaded))
    except (BundleInvalid, ScorerFailed) as error:
        if as_json:
            _echo_json({"ok": False, "path": str(folder), "code": error.code, "message": str(error)})
        else:
            typer.echo(f"{folder}: {error.code}: {error}")
        raise typer.Exit(1) from error
    if as_json:
        _echo_json({"ok": True, "path": str(folder), "bundle": loaded.label, "digest": loaded.digest})
    else:
        typer.echo(f"{loaded.label}: {len(loaded.manifest.files)} files intact, digest {loaded.digest}")


def diff(first: _Folder, second: _Folder, as_json: _Json = False) -> None:
    """Show how two bundles differ; exit with 1 if they do."""
    from guard.bundle import Bundle

    before, after = (dict(_flat(Bundle.load(bundle).manifest.model_dump(mode="json"))) for bundle in (first, second))
    changes = {
        key: (before.get(key), after.get(key))
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    }
    if as_json:
        _echo_json({"same": not changes, "changes": changes})
    else:
        _print_changes(changes)
    raise typer.Exit(1 if changes else 0)


async def _probe(bundle: "Bundle") -> None:
    """Judge a short text, one of several windows, and a picture by the bundle. Raises BundleInvalid, ScorerFailed."""
    from guard.config import OcrSettings, PolicySettings, Settings
    from guard.errors import ScorerFailed
    from guard.types import Basis, ImageInput, Mode, Pair
    from guard.wiring import open_guard

    policy = PolicySettings(name=next(iter(bundle.manifest.operating_points)))
    guard = open_guard(
        Settings(bundle=str(bundle.path), threads=1, policy=policy, ocr=OcrSettings(mode="off"), mode=Mode.SHADOW)
    )
    spec = bundle.manifest.text
    words = spec.window_tokens if spec.max_windows > 1 else spec.window_tokens // 2
    try:
        for name, pair in (
            ("a text", Pair("how are you")),
            ("a long text", Pair("a " * words)),
            ("a picture with text", Pair("what is this", (ImageInput(data=_grey_picture()),))),
        ):
            decision = await guard.check(pair)
            if decision.basis is not Basis.SCORE:
                raise ScorerFailed(f"the graphs are loaded, and {name} gets no score: {decision.code}")
    finally:
        await guard.aclose()


def _grey_picture() -> bytes:
    from io import BytesIO

    from PIL import Image

    file = BytesIO()
    Image.new("RGB", (64, 64), "grey").save(file, "PNG")
    return file.getvalue()


def _print_bundle(bundle: "Bundle") -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(width=_WIDTH, highlight=False)
    manifest = bundle.manifest
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    size_mb = sum(entry.size_bytes for entry in manifest.files.values()) / 1e6
    text, image, calibration = manifest.text, manifest.image, manifest.calibration
    prevalence = "not stated" if calibration.prevalence is None else f"{calibration.prevalence:.3g}"
    for name, value in (
        ("bundle", f"{bundle.label}, made {manifest.created}"),
        ("digest", bundle.digest),
        ("files", f"{len(manifest.files)}, {size_mb:.1f} MB, {manifest.precision}"),
        ("text", f"windows of {text.window_tokens} tokens, overlap {text.overlap_tokens}, at most {text.max_windows}"),
        ("picture", f"{image.size} x {image.size}; writing is read from likelihood {manifest.writing_gate:g}"),
        ("probability", f"{calibration.kind}, share of unsafe pairs it refers to: {prevalence}"),
    ):
        grid.add_row(name, value)
    console.print(grid)
    points = Table("policy", "threshold", "certificate", "chosen on", box=None, padding=(0, 2, 0, 0))
    for name, point in manifest.operating_points.items():
        proof = point.certificate
        proven = (
            "estimate"
            if proof is None
            else f"{proof.verdict}: at most {proof.limit:.1%} of {proof.unit}s refused, {proof.confidence:.0%} sure"
        )
        points.add_row(name, f"{point.threshold:.4f}", proven, point.chosen_on)
    console.print(points)


def _print_changes(changes: Mapping[str, tuple[object, object]]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(width=_WIDTH, highlight=False)
    if not changes:
        console.print("no difference")
        return
    table = Table("field", "first", "second", box=None, padding=(0, 2, 0, 0))
    for key, values in changes.items():
        table.add_row(key, *(_short(value) for value in values))
    console.print(table)


def _short(value: object) -> str:
    text = "-" if value is None else str(value)
    return text if len(text) <= 24 else f"{text[:21]}..."


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        for key, below in value.items():
            yield from _flat(below, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, value


def _echo_json(document: Mapping[str, object]) -> None:
    import orjson

    typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())

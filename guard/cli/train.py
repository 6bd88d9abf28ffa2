"""`guard train` and `guard export`: from data to a checkpoint, from a checkpoint to a bundle."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Part(StrEnum):
    """What to train."""

    TEXT = "text"
    VISION = "vision"
    ALL = "all"


class Profile(StrEnum):
    """Which licence classes of packs may be used: weights that ship are `permissive`."""

    PERMISSIVE = "permissive"
    ALL = "all"


class Device(StrEnum):
    """Where to compute."""

    CPU = "cpu"
    CUDA = "cuda"


class Precision(StrEnum):
    """How weights are stored."""

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(train)
    app.command()(export)


def train(
    part: Annotated[Part, typer.Argument(help="What to train; `all` goes through the parts in order.")],
    data: Annotated[Path, typer.Option(help="Folder with packs/ and images/.")],
    out: Annotated[Path, typer.Option(help="Folder of the run; the same one again goes on where it stopped.")],
    backbone: Annotated[
        list[str] | None,
        typer.Option(
            help="What to start from, a folder or a name on Hugging Face. A BERT-like encoder reads prompts; a SigLIP, "
            "SigLIP 2 or CLIP one sees pictures. Give it twice for one of each.",
            show_default="minilm, and a vision tower from scratch",
        ),
    ] = None,
    profile: Annotated[Profile, typer.Option(help="Licence classes of the packs used.")] = Profile.PERMISSIVE,
    device: Annotated[Device, typer.Option(help="Where to compute.")] = Device.CPU,
    seed: Annotated[int, typer.Option(min=0, help="Of every draw.")] = 0,
    minutes: Annotated[
        float | None, typer.Option(min=0, help="Stop cleanly after so long; call again to go on.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
) -> None:
    """Train the guard, or a part of it. Exit 0 when finished, 1 when the time was up first."""
    from guard.train.hub import sort_backbones
    from guard.train.loop import Budget
    from guard.train.recipe import Recipe

    backbones = sort_backbones(backbone or ())
    recipe = Recipe(
        data,
        out,
        backbone=backbones.text,
        vision_backbone=backbones.vision,
        profile=profile.value,
        device=device.value,
        seed=seed,
    )
    if not recipe.train(part.value, Budget.of_minutes(minutes, quiet=quiet)):
        typer.echo(f"not finished: the time was up; the same command goes on in {out}", err=True)
        raise typer.Exit(1)


def export(
    checkpoint: Annotated[Path, typer.Option(help="Folder of a finished run.")],
    out: Annotated[Path, typer.Option(help="New or empty folder for the bundle.")],
    precision: Annotated[Precision, typer.Option(help="How weights are stored.")] = Precision.INT8,
    max_bytes: Annotated[
        int, typer.Option(min=1, help="Of weights; what ships with Guard stays below the default.")
    ] = (40_000_000),
    gpu: Annotated[
        bool, typer.Option("--gpu", help="Write graphs for GPUs too: half precision, over the same weights.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing.")] = False,
) -> None:
    """Write a finished run as a bundle: graphs, thresholds, figures, card."""
    from rich.console import Console

    from guard.train.export import export as write_bundle

    with Console(stderr=True, quiet=quiet).status("loading") as status:
        bundle = write_bundle(
            checkpoint, out, precision=precision.value, most_bytes=max_bytes, gpu=gpu, say=status.update
        )
    if not quiet:
        typer.echo(f"{bundle.label} {bundle.digest} in {out}")
